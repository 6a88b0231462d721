"""Files near by: what the user has already, in the Hub's own cache and in other programs' folders.

Nothing there is ever changed, and nothing said there counts but the bytes themselves.
"""
