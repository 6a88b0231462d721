"""References: which places of a workflow name model files, and in which folder."""
