"""Who is at work on a model: leases, their owners, and what a killed one has left."""
