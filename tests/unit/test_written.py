"""Record, script and engine as they come to lie in output/."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from comfyfix.disk import json_file
from comfyfix.once import Once
from comfyfix.records import Model, Record
from comfyfix.script import engine, render
from comfyfix.settings.manifest import Manifest
from comfyfix.stages.download import written
from comfyfix.state.layout import Layout

MODEL = Model(folder="loras", path="harbor.safetensors")
MANIFEST = Manifest(comfyui="/ComfyUI")
OLDER = f"{engine.FOLDER}/{'0' * 16}.sh"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "engine").mkdir()
    return Layout(tmp_path)


def record(**more: object) -> Record:
    made = Record(
        number=1, model=MODEL, destination="/models/loras/harbor.safetensors", store="/models",
        source="url", where="x", url="https://x.example/a", size=5, sha256="a" * 64,
    )  # fmt: skip
    return msgspec.structs.replace(made, **more)


def put(layout: Layout, made: Record, replaced: written.Replaced = lambda *_: None) -> Record:
    return written.write(layout, MANIFEST, made, replaced)


def kept(layout: Layout, number: int) -> tuple[Record | None, str | None]:
    """What lies there of one number."""
    script = layout.script(number, MODEL)
    text = script.read_text() if script.exists() else None
    return json_file.read(layout.record(number, MODEL), Record), text


def test_what_is_the_same_keeps_its_number_and_another_source_takes_the_next(
    layout: Layout,
) -> None:
    first = put(layout, record())
    assert first == record()
    assert kept(layout, 1) == (first, render.render(first, MANIFEST))
    assert put(layout, record(licence="mit")).number == 1
    second = put(layout, record(url="https://y.example/a"))
    assert second == record(url="https://y.example/a", number=2)
    assert kept(layout, 2) == (second, render.render(second, MANIFEST))
    told, script = kept(layout, 1)
    assert (told, script) == (record(licence="mit"), render.render(first, MANIFEST))


def test_a_script_of_other_content_stays_and_the_new_one_gets_the_next_number(
    layout: Layout,
) -> None:
    layout.script(1, MODEL).write_text("mine\n")
    made = put(layout, record())
    assert made.number == 2
    assert kept(layout, 1) == (None, "mine\n")
    assert kept(layout, 2) == (made, render.render(made, MANIFEST))


def test_an_engine_that_is_not_it_is_replaced_and_told(layout: Layout) -> None:
    there = layout.output / engine.name()
    there.write_text("echo mine\n")
    replaced: list[tuple[Path, Path]] = []
    put(layout, record(), lambda *told: replaced.append(told))
    assert replaced == [(there, there.with_name(f"{there.name}.damaged"))]
    assert there.read_text() == engine.text()
    put(layout, record(), lambda *told: replaced.append(told))
    assert len(replaced) == 1


def calls(layout: Layout, number: int, name: str) -> None:
    (layout.output / f"download_{number:03d}_x.sh").write_text(f"A=1\nENGINE={name}\n")


@pytest.mark.parametrize(
    ("scripts", "older_there", "comes"),
    [
        ({1: engine.name()}, False, True),
        ({999: engine.name(), 1000: OLDER}, True, False),  # of the newest, the engine is there
        ({999: OLDER, 1000: engine.name()}, True, True),
        ({999: engine.name(), 1000: OLDER}, False, True),
        ({1: OLDER, 2: OLDER}, False, False),
        ({1: engine.name(), 2: "mine/0.sh"}, False, True),  # what calls none is none of ours
        ({}, False, False),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_an_engine_that_scripts_miss_comes_back(
    layout: Layout,
    scripts: dict[int, str],
    older_there: bool,
    comes: bool,
    turned: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: sorted(listed(path), reverse=turned))
    for number, name in scripts.items():
        calls(layout, number, name)
    if older_there:
        (layout.output / OLDER).touch()
    written.put_engine_back(layout)
    assert (layout.output / engine.name()).exists() is comes


def test_what_is_no_script_of_ours_or_can_not_be_read_misses_none(layout: Layout) -> None:
    calls(layout, 1, engine.name())
    (layout.output / "download_001_x.sh").rename(layout.output / "download_1_x.sh")
    (layout.output / "download_002_x.sh").mkdir()
    (layout.output / "download_003_x.sh").write_bytes(b"\xff\nENGINE=" + engine.name().encode())
    written.put_engine_back(layout)
    assert not (layout.output / engine.name()).exists()
    calls(layout, 1, engine.name())
    written.put_engine_back(layout)
    assert (layout.output / engine.name()).exists(), "an older one of ours misses it"
    written.put_engine_back(Layout(layout.output / "absent"))
    written.put_engine_back(Layout(layout.output / "download_1_x.sh"))


def test_a_link_in_an_engines_place_is_left_to_the_next_script(layout: Layout) -> None:
    calls(layout, 1, engine.name())
    (layout.output / engine.name()).symlink_to("nowhere")
    written.put_engine_back(layout)
    assert (layout.output / engine.name()).is_symlink()


def test_the_template_is_compiled_once_however_many_are_rendered_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(render, "_compiled", Once())
    together = threading.Barrier(8)

    def one(_: int) -> object:
        together.wait(timeout=60)
        return render.template()

    with ThreadPoolExecutor(8) as pool:
        first, *others = pool.map(one, range(8))
    assert all(other is first for other in others)


def test_every_value_of_a_script_is_quoted() -> None:
    environment = render.template().environment
    assert (
        environment.from_string("{{ x | sh }}").render(x="$(id) 'x'") == "'$(id) '\"'\"'x'\"'\"''"
    )
    with pytest.raises(TypeError, match="sh"):
        environment.from_string("{{ x }}").render(x="a")
    with pytest.raises(ValueError, match="NUL"):
        environment.from_string("{{ x | sh }}").render(x="a\0b")


def test_a_script_holds_what_its_record_tells_and_no_more(layout: Layout) -> None:
    rounded = record(size=2000, size_exact=False, sha256=None)
    text = render.render(rounded, MANIFEST)
    assert "2.0 kB" in text
    assert "a" * 64 not in text
    assert render.render(record(), MANIFEST) != text
    hub = "https://huggingface.co/maker/one"
    page = record(url=f"{hub}/resolve/main/x.safetensors", repo="maker/one")
    assert hub in render.render(page, MANIFEST)
    assert "https://huggingface.co" not in render.render(record(repo="maker/one"), MANIFEST)
