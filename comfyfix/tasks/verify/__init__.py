"""What a verifying task does: files hashed, told, and moved aside where they are of no use."""
