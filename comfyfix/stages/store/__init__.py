"""A whole store: its files swept, told apart, moved, kept on a fast disk, or let go."""
