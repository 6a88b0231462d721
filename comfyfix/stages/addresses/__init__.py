"""The addresses of models, for others: proven, taken as they are, written into workflows."""
