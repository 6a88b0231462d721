"""A download: its record and script written, its script run, and heard while it runs."""
