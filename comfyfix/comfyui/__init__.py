"""What ComfyUI means: its model folders, its loaders, its workflow formats."""
