"""comfyfix: finds, fetches and verifies the model files that ComfyUI workflows name."""

__version__ = "0.1.0"
