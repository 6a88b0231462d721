"""When a file that bears the name is the one that is meant."""
