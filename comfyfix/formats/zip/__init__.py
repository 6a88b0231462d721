"""Zip archives, read strictly, and what may hide in one or behind one."""
