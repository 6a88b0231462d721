"""What people see of a run: progress, events, questions, and the summary."""
