"""The values of workflows that ComfyUI refuses, and what would make it take them."""
