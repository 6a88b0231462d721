"""Mirrors: places that have files by their sha256 alone, read first and filled from the lock file.

Nothing that a mirror says counts but the bytes themselves, and no token of a provider goes there.
"""
