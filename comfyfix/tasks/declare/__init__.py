"""The tasks as doit gets them: declared from a plan, for a dodo.py or without one."""
