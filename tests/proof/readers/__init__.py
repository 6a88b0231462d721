"""What runs in the Python that has the real readers."""
