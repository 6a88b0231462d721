"""Workflow files: which there are, and their nodes, whatever form they have."""
