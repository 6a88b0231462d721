"""What is known of the files of a store: by whom, and of which."""

from __future__ import annotations

from pathlib import Path

from comfyfix.comfyui.store import folders
from comfyfix.demo.content import file_for
from comfyfix.records import Model, Receipt, Record, because, to_json
from comfyfix.settings.manifest import Manifest
from comfyfix.stages.store import sweep
from comfyfix.stages.store.sweep import Choice
from comfyfix.state.layout import Layout
from comfyfix.why import Why

MODEL = Model(folder="loras", path="a.safetensors")
DIGEST = "a" * 64


def record(number: int, destination: Path, local: str = "") -> Record:
    return Record(
        number=number, model=MODEL, destination=str(destination), store="/m",
        source="huggingface", where=f"maker/{number}", sha256=DIGEST, local=local,
    )  # fmt: skip


def receipt(*, identified: bool) -> Receipt:
    return Receipt(
        model=MODEL.key, path="/m/a.safetensors", size=1, sha256=DIGEST, mtime_ns=1, at="",
        identified=identified,
    )  # fmt: skip


def choice(known: Record | None, told: Receipt | None) -> Choice:
    return Choice(MODEL, Path("/m/a.safetensors"), known, told, None)


def test_only_what_a_provider_has_told_makes_a_content_known() -> None:
    published = record(1, Path("/m/a"))
    assert sweep.contents([choice(published, None)]) == {
        DIGEST: because(Why.BY_PLACE, where="maker/1")
    }
    assert sweep.contents([choice(None, receipt(identified=True))]) == {
        DIGEST: because(Why.BY_RECEIPT_OF, model="loras/a.safetensors")
    }
    linked = record(1, Path("/m/a"), local="/m/vae/b.safetensors")
    assert sweep.contents([choice(linked, receipt(identified=False))]) == {}


def test_the_newest_record_of_a_place_counts_also_where_nothing_needs_it(tmp_path: Path) -> None:
    comfyui, layout = tmp_path / "ComfyUI", Layout(tmp_path / "output")
    path = comfyui / "models" / "loras" / "a.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(file_for(path.name))
    layout.sources.mkdir(parents=True)
    for number in (9, 10):
        (layout.sources / f"{number}_a.json").write_bytes(to_json(record(number, path)))
    (layout.sources / "11_torn.json").write_text('{"version": 1, "num')
    (found,) = sweep.whole_store(
        Manifest(comfyui=str(comfyui)), folders.read(comfyui, [], None), layout
    )
    assert found.record is not None
    assert found.record.number == 10
    assert (found.model, found.loaded, found.size) == (MODEL, True, path.stat().st_size)
