"""The judge of model files against the real readers: what it passes is loaded, and must do nothing.

`COMFYFIX_TORCH` names a Python that has the readers; `COMFYFIX_TORCH_PATH`, if set, is put in front
of its module path (another OmegaConf, say). Modules under `readers/` run in that Python and import
nothing of the project but `assemble`; the others run in the project's own.
"""
