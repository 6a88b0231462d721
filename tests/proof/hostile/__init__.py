"""Files that run code when their reader loads them; all they do is to make the file `HELD_MARK`.

Each module has `samples()`; what a family has in common is told in its name. They are only tries:
`prove` keeps those that were seen to make the mark.
"""
