"""What is known of the files of a store: by whom, and of which."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from comfyfix.comfyui.store import folders
from comfyfix.demo.content import file_for
from comfyfix.errors import ModelProblem
from comfyfix.outcomes import Outcome
from comfyfix.records import FileFact, Model, Receipt, Record, because, to_json
from comfyfix.settings.manifest import Manifest
from comfyfix.stages.needs.work import Plan, Planned, Present
from comfyfix.stages.store import sweep
from comfyfix.stages.store.sweep import Choice
from comfyfix.state import receipts
from comfyfix.state.hashing import identity_of
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


def keep(layout: Layout, *known: Receipt) -> None:
    """Write our own receipts."""
    layout.receipts.parent.mkdir(parents=True, exist_ok=True)
    models = {receipt.model: json.loads(to_json(receipt)) for receipt in known}
    layout.receipts.write_text(json.dumps({"version": 1, "models": models}))
    assert receipts.load(layout).keys() == models.keys()


def test_what_is_needed_is_chosen_with_what_is_known_of_it(tmp_path: Path) -> None:
    layout, path = Layout(tmp_path / "output"), tmp_path / "a.safetensors"
    path.write_bytes(b"12345")
    stores, ours = receipt(identified=True), receipt(identified=False)

    def needed(*models: Planned | Present) -> list[Choice]:
        planned = tuple(m for m in models if isinstance(m, Planned))
        present = tuple(m for m in models if isinstance(m, Present))
        choices = sweep.needed(Manifest(comfyui="c"), Plan(planned, present, {}, ()), layout)
        return [choice for several in choices.values() for choice in several]

    planned = Planned(
        model=MODEL, number=1, task="a", location=str(path), pending=None, receipt=stores
    )
    (found,) = needed(planned)
    assert (found.path, found.size, found.receipt, found.override) == (path, 5, stores, None)
    assert found.identity == identity_of(str(path), path.stat())
    keep(layout, ours)
    assert needed(planned)[0].receipt == ours, "our own is the newer one"
    present = Present(model=MODEL, location=str(path), size=5, mtime_ns=1, receipt=stores)
    assert needed(present)[0].receipt == stores
    refused = ModelProblem(Outcome.NAME_REFUSED, Why.STOPPED)
    assert needed(msgspec.structs.replace(planned, problem=refused)) == []
    path.unlink()
    (found,) = needed(planned)
    assert (found.size, found.identity) == (0, str(path))


def test_a_directory_is_chosen_file_by_file(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "output")
    files = tuple(FileFact(path=name, url="u", size=1) for name in ("x.json", "y.json"))
    whole = msgspec.structs.replace(record(1, tmp_path / "a"), files=files)
    planned = Planned(
        model=MODEL, number=1, task="a", location=str(tmp_path / "a"), pending=None, record=whole
    )
    first = whole.members[0]
    known = msgspec.structs.replace(receipt(identified=False), model=first.model.key)
    keep(layout, known)
    chosen = sweep.needed(Manifest(comfyui="c"), Plan((planned,), (), {}, ()), layout)
    assert [(c.model, str(c.path), c.record, c.receipt) for c in chosen[MODEL.key]] == [
        (first.model, first.destination, first, known),
        (whole.members[1].model, whole.members[1].destination, whole.members[1], None),
    ]


def test_a_receipt_that_only_knows_the_hash_has_to_hold(tmp_path: Path) -> None:
    """One of what we have fetched stays in any case: it tells what the file has to be."""
    comfyui, layout = tmp_path / "ComfyUI", Layout(tmp_path / "output")
    path = comfyui / "models" / "loras" / "a.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(file_for(path.name))
    true = receipts.of_file(MODEL, path, DIGEST, script="", verified=True)

    def found(known: Receipt) -> Choice:
        keep(layout, known)
        (choice,) = sweep.whole_store(
            Manifest(comfyui=str(comfyui)), folders.read(comfyui, [], None), layout
        )
        return choice

    for identified, size, holds in (
        (False, true.size, True), (False, 3, True), (True, true.size, True), (True, 3, False),
    ):  # fmt: skip
        known = msgspec.structs.replace(true, identified=identified, size=size)
        assert found(known).receipt == (known if holds else None)
    elsewhere = msgspec.structs.replace(true, path="/before/it/moved")
    assert found(elsewhere).receipt == elsewhere, "it is told by the model too"


def test_what_another_hides_has_no_receipt_by_its_model(tmp_path: Path) -> None:
    comfyui, layout = tmp_path / "ComfyUI", Layout(tmp_path / "output")
    first, second = (tmp_path / name / "a.safetensors" for name in ("x", "y"))
    for path in (first, second):
        path.parent.mkdir(parents=True)
        path.write_bytes(file_for(path.name))
    (comfyui / "models").mkdir(parents=True)
    (comfyui / "extra_model_paths.yaml").write_text(
        f"a: {{loras: {first.parent}}}\nb: {{loras: {second.parent}}}"
    )
    keep(layout, receipts.of_file(MODEL, tmp_path / "x/a.safetensors", DIGEST, script="",
                                  verified=True))  # fmt: skip
    choices = sweep.whole_store(
        Manifest(comfyui=str(comfyui)), folders.read(comfyui, [], None), layout
    )
    known = {choice.path: (choice.loaded, choice.receipt is not None) for choice in choices}
    assert known == {first: (True, True), second: (False, False)}


def test_each_file_counts_once_however_many_names_it_has() -> None:
    one = Choice(MODEL, Path("/a"), None, None, None, size=5, identity=(1, 2))
    other = Choice(MODEL, Path("/b"), None, None, None, size=5, identity=(1, 3))
    assert sweep.total([one, one, other]) == 10
