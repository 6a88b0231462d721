"""The stages: plain functions over records, one per arrow on the way of a model."""
