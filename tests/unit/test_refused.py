"""Of which values the disk has to be asked whether ComfyUI takes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyfix.comfyui.references.lookup import Lookup
from comfyfix.comfyui.store import folders
from comfyfix.records import Reference
from comfyfix.settings.manifest import Manifest
from comfyfix.stages.values import refused
from comfyfix.stages.values.refused import Refusal, Refusing


@pytest.mark.parametrize(
    ("other", "asked"), [("none", False), ("another", False), ("the same", True)]
)
def test_a_usual_value_is_asked_about_where_case_makes_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str, asked: bool
) -> None:
    """Elsewhere it can only be taken as it is, or absent."""
    models = tmp_path / "models"
    models.mkdir()
    if other == "another":
        (tmp_path / "MODELS").mkdir()
    elif other == "the same":
        (tmp_path / "MODELS").symlink_to(models)
    value = "Harbor.safetensors"
    reference = Reference(
        workflow="w.json", node_id="1", node_type="LoraLoader", input="lora_name", value=value,
        name=value, path=value, folder="loras", listed=True,
    )  # fmt: skip
    monkeypatch.setattr(refused, "value_taken", lambda *_: "harbor.safetensors")
    refusing = Refusing(Manifest(comfyui="c"), Lookup(folders.read(tmp_path, [], None)))
    refusal = Refusal(reference, "harbor.safetensors")
    assert refusing.of(reference) == (refusal if asked else None)
