"""Scripts: how a record becomes one, and what one tells while it runs."""
