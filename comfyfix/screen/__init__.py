"""What people see: the only place that makes words and prints."""
