"""What the user sets: the manifest and the pins."""

MANIFEST = "manifest.yaml"
STATE_IN_COMFYUI = "comfyfix"
"""The folder of our state inside a ComfyUI, whose own output/ holds its pictures."""
