"""What the workflows need: their references, joined into one model per file, with its work."""
