"""What commands do with a store: what it needs, is hashed, is moved, shared, or copied."""
