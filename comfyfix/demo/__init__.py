"""The demo: a small example ComfyUI and a loopback hub that speaks the real services' APIs."""
