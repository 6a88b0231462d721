"""Loaders: which inputs of which node classes choose from which model folder."""
