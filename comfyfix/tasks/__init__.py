"""The doit face: the only package that knows doit."""
