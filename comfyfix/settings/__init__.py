"""What the user sets: the manifest and the pins."""

MANIFEST = "manifest.yaml"
