"""What outlives a run: the names and numbers of models, and the ledger."""

from __future__ import annotations

import re
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyfix.disk.files import write_atomic
from comfyfix.errors import SetupProblem
from comfyfix.records import Attempt, Model, Record, because, to_json
from comfyfix.state import ledger
from comfyfix.state.layout import Layout, file_slug, slug, store_receipt, task_slug
from comfyfix.state.ledger import Entry, Ledger
from comfyfix.why import Why

LEGAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
NAMES = st.text(max_size=20) | st.sampled_from(
    ["a.pth", "a.bin", "a.b", "s/a.pth", "t/a.pth", "-a", "_-a", "x" * 200, "x" * 201]
)
FOLDERS = st.sampled_from(["loras", "vae", None])
MODELS = st.lists(st.builds(Model, folder=FOLDERS, path=NAMES), max_size=8)


def lora(name: str) -> Model:
    return Model(folder="loras", path=name)


def numbers(of: Ledger) -> dict[str, int]:
    return {key.removeprefix("loras/"): entry.number for key, entry in of.models.items()}


def keep_record(layout: Layout, number: int, model: Model) -> None:
    record = Record(
        number=number, model=model, destination="/d", store="/s", source="huggingface", where="o/n"
    )
    write_atomic(layout.record(number, model), to_json(record))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "output")


@given(st.text() | NAMES)
def test_a_slug_is_legal_for_tasks_files_and_shells(text: str) -> None:
    for name in (slug(text), task_slug(lora(text)), file_slug(text)):
        assert LEGAL.fullmatch(name)
        assert len(name) <= 120


@pytest.mark.parametrize(
    ("path", "task", "file"),
    [
        ("rife49.pth", "rife49", "rife49_pth"),
        ("SDXL/my lora (v2).safetensors", "my_lora_v2", "my_lora_v2__safetensors"),
        ("river-flow-Q4_K_M.gguf", "river-flow-Q4_K_M", "river-flow-Q4_K_M_gguf"),
        ("--v=1*.pth", "v_1", "v_1__pth"),
        ("模型.pth", "model", "pth"),
        ("v1.5-pruned", "v1.5-pruned", "v1_5-pruned"),
    ],
)
def test_slugs_are_readable(path: str, task: str, file: str) -> None:
    assert (task_slug(lora(path)), file_slug(lora(path).name)) == (task, file)


def test_files_of_a_model_bear_its_number_and_name(layout: Layout) -> None:
    model = lora("SDXL/rife49.pth")
    assert layout.script(7, model) == layout.output / "download_007_rife49_pth.sh"
    assert layout.record(1234, model) == layout.output / "sources/1234_rife49_pth.json"
    assert layout.batch(2) == layout.output / "verified/batch_002.json"
    found = store_receipt(Path("/s"), "../x y", "SDXL/rife49.pth")
    assert found == Path("/s/.comfyfix/receipts/_x_y/SDXL/rife49.pth.receipt")


@settings(max_examples=50)
@given(first=MODELS, second=MODELS)
def test_tasks_and_numbers_are_unique_and_stay(first: list[Model], second: list[Model]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(Path(folder))
        before = ledger.reserve(layout, first)
        after = ledger.reserve(layout, [*second, *first])
    assert set(after.models) == {model.key for model in (*first, *second)}
    assert before.models.items() <= after.models.items()
    assert sorted(entry.number for entry in after.models.values()) == [
        *range(1, len(after.models) + 1)
    ]
    tasks = {entry.task for entry in after.models.values()}
    assert len(tasks) == len(after.models)
    assert all(LEGAL.fullmatch(task) for task in tasks)


def test_models_of_one_stem_get_a_readable_suffix(layout: Layout) -> None:
    models = [lora("a.pth"), Model(folder="vae", path="a.pth"), lora("a.bin"), lora("s/a.pth")]
    found = ledger.reserve(layout, [*models, lora("t/s/a.pth"), lora("t s/a.pth")])
    tasks = {key: entry.task for key, entry in found.models.items()}
    assert tasks == {
        "loras/a.bin": "a",
        "loras/a.pth": "a-pth",
        "loras/s/a.pth": "a-s",
        "loras/t s/a.pth": "a-t_s",
        "loras/t/s/a.pth": "a-2",
        "vae/a.pth": "a-vae",
    }


def test_the_counter_tells_the_highest_number(layout: Layout) -> None:
    ledger.reserve(layout, [lora("a.pth"), lora("b.pth")])
    assert layout.counter.read_text() == "2\n"
    assert ledger.renumber(layout, lora("a.pth")) == 3
    assert layout.counter.read_text() == "3\n"
    assert ledger.load(layout).models["loras/a.pth"].earlier == (1,)


def test_the_newest_attempts_are_kept_and_strangers_are_not_noted(layout: Layout) -> None:
    ledger.reserve(layout, [lora("a.pth")])
    for count in range(25):
        ledger.note(layout, lora("a.pth"), Attempt(at=f"{count}", outcome="done"))
    ledger.note(layout, lora("b.pth"), Attempt(at="0", outcome="done"))
    found = ledger.load(layout)
    kept = [attempt.at for attempt in found.models["loras/a.pth"].attempts]
    assert kept == [str(count) for count in range(5, 25)]
    assert numbers(found) == {"a.pth": 1}


@pytest.mark.parametrize("content", [None, b'{"highest": 9, "mod', b'{"version": 0}', b"[]", b"\0"])
def test_a_lost_ledger_is_found_again_in_the_records(content: bytes | None, layout: Layout) -> None:
    known = ledger.reserve(layout, [lora("a.pth"), Model(folder="vae", path="a.pth"), lora("c.x")])
    for entry, model in ((1, lora("a.pth")), (3, Model(folder="vae", path="a.pth"))):
        keep_record(layout, entry, model)
    ledger.renumber(layout, lora("a.pth"))
    keep_record(layout, 4, lora("a.pth"))
    layout.record(5, lora("half.pth")).write_text('{"version": 1, "num')
    layout.ledger.unlink() if content is None else layout.ledger.write_bytes(content)
    found = ledger.load(layout)
    again = found.models["loras/a.pth"]
    assert (again.number, again.earlier, again.task) == (4, (1,), "a")
    assert found.models["vae/a.pth"] == known.models["vae/a.pth"]
    assert numbers(ledger.reserve(layout, [lora("new.pth")]))["new.pth"] == 6
    damaged = layout.ledger.with_name("ledger.json.damaged")
    assert (damaged.read_bytes() if damaged.exists() else None) == content


def test_a_ledger_of_a_newer_program_is_left_alone(layout: Layout) -> None:
    newer = b'{"version": 2, "highest": 9, "models": "in another form"}'
    write_atomic(layout.ledger, newer)
    with pytest.raises(SetupProblem) as caught:
        ledger.load(layout)
    told = because(Why.STATE_NEWER, path=layout.ledger, found=2, known=1)
    assert caught.value.reason == told
    with pytest.raises(SetupProblem):
        ledger.reserve(layout, [lora("a.pth")])
    assert layout.ledger.read_bytes() == newer
    assert [path.name for path in layout.output.glob("*.damaged")] == []


@pytest.mark.parametrize(("y", "highest"), [((1, "y"), 9), ((2, "x"), 9), ((2, "y"), 1)])
def test_a_ledger_that_contradicts_itself_is_not_trusted(
    y: tuple[int, str], highest: int, layout: Layout
) -> None:
    keep_record(layout, 3, lora("a.pth"))
    models = {"loras/x": Entry(number=1, task="x"), "loras/y": Entry(number=y[0], task=y[1])}
    write_atomic(layout.ledger, to_json(Ledger(highest=highest, models=models)))
    assert numbers(ledger.load(layout)) == {"a.pth": 3}
    assert numbers(ledger.reserve(layout, [lora("b.pth")])) == {"a.pth": 3, "b.pth": 4}


@pytest.mark.parametrize(
    ("left", "number"),
    [
        ({}, 1),
        ({"download_counter.txt": "41\n"}, 42),
        ({"download_counter.txt": "junk", "download_007_x_pth.sh": ""}, 8),
        ({"sources/1234_x_pth.json": "", "download_002_y.sh": ""}, 1235),
        ({"download_9_x.sh": "", "notes_999_x": ""}, 1),
    ],
)
def test_a_number_that_was_given_out_is_not_given_again(
    left: dict[str, str], number: int, layout: Layout
) -> None:
    for name, text in left.items():
        write_atomic(layout.output / name, text.encode())
    assert numbers(ledger.reserve(layout, [lora("a.pth")])) == {"a.pth": number}


def test_threads_that_reserve_at_once_get_distinct_numbers(layout: Layout) -> None:
    start = threading.Barrier(2)

    def reserve(name: str) -> None:
        start.wait()
        for count in range(10):
            ledger.reserve(layout, [lora(f"{name}{count}.pth")])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(reserve, "ab"))
    assert sorted(numbers(ledger.load(layout)).values()) == [*range(1, 21)]
    assert layout.counter.read_text() == "20\n"


def test_a_ledger_found_again_knows_the_newest_of_many_numbers(layout: Layout) -> None:
    for number in (999, 1000):
        keep_record(layout, number, lora("a.pth"))
    assert ledger.load(layout).models["loras/a.pth"].number == 1000


def test_a_new_number_for_a_stranger_leaves_the_others_theirs(layout: Layout) -> None:
    ledger.reserve(layout, [lora("a.pth"), lora("b.pth")])
    ledger.renumber(layout, lora("s/a.pth"))
    assert numbers(ledger.load(layout)) == {"a.pth": 1, "b.pth": 2, "s/a.pth": 3}


def test_numbers_stay_where_two_records_share_one(layout: Layout) -> None:
    for name in ("a.pth", "b.pth"):
        keep_record(layout, 1, lora(name))
    first = numbers(ledger.reserve(layout, [lora("c.pth")]))
    assert numbers(ledger.reserve(layout, [lora("c.pth")])) == first
