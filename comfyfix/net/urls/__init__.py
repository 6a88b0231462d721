"""Addresses from outside: what each means, and whether it may be asked."""
