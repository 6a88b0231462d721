"""Qwen: the question, its tools and budget, its reply, and when its word counts."""
