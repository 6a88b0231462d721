"""Services that are told how a run has ended: by apprise, in a process of its own."""
