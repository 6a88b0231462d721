"""comfyfix: finds, fetches and verifies the model files that ComfyUI workflows name."""
