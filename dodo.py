"""Entry point for doit: the tasks of the manifest.yaml beside this file."""

from pathlib import Path

from comfyfix.tasks import load

DOIT_CONFIG, task_models = load(Path(__file__).with_name("manifest.yaml"))
