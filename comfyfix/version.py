"""The version of comfyfix; nothing else says which it is."""

__version__ = "0.1.0"
