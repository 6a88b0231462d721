"""How it all stands: each model and each workflow, at rest and after a run."""
