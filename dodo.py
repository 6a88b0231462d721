"""Entry point for doit: the tasks of the manifest.yaml beside this file."""

from pathlib import Path

from comfyfix.tasks import creators

DOIT_CONFIG, task_download = creators.load(Path(__file__).with_name("manifest.yaml"))
