"""Templates in a model file that a loader hands to jinja2: what they can reach."""
