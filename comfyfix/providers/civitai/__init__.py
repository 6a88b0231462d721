"""Civitai: its API, its names and kinds, which file an address means, access."""
