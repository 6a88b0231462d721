"""Verdicts: is a file what it should be, and safe? One by one, and by batches of six."""
