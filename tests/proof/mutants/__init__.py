"""Mutations and splices of pickles at the level of opcodes, for a seed always the same ones."""
