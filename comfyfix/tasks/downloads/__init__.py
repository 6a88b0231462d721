"""What a download task does: here, or by the workers of a cluster."""
