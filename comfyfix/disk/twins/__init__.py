"""Equal files made one: by further names, or by blocks that they share."""
