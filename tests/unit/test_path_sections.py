"""A file of model paths says to ComfyUI, and to us, what was meant, whatever a folder's name."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.comfyui.store import extra_paths, path_sections
from comfyfix.comfyui.store.path_sections import Section, Unsayable

KEYS = ("checkpoints", "text_encoders", "on", "a/b", "1")
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0\n"), min_size=1)
PATHS = st.lists(NAMES.filter(lambda name: name not in (".", "..")), min_size=1, max_size=4).map(
    lambda parts: Path("/", *parts)
)
PLACES = st.dictionaries(
    st.sampled_from(KEYS), st.lists(PATHS, min_size=1, max_size=3, unique=True), min_size=1
)


def as_comfyui_has_it(data: bytes, place: Path) -> dict[str, list[str]]:
    """Its `utils/extra_config.py`, and `add_model_folder_path` of its `folder_paths.py`."""
    table: dict[str, list[str]] = {}
    config: dict[str, Any] = yaml.safe_load(data.decode("ascii"))  # its system may have no more
    for section in config.values():
        base = section.pop("base_path", None)
        default = section.pop("is_default", False)
        for key, value in section.items():
            for line in value.split("\n"):
                if not line:
                    continue
                assert base is None
                full = line if os.path.isabs(line) else os.path.join(place, line)
                path, known = os.path.normpath(full), table.setdefault(key, [])
                if path in known:
                    if default and known[0] != path:
                        known.remove(path)
                        known.insert(0, path)
                elif default:
                    known.insert(0, path)
                else:
                    known.append(path)
    return table


def meant(*sections: Section) -> dict[str, list[str]]:
    """The order that the sections tell, those that come first before all others."""
    table: dict[str, list[str]] = {}
    for section in sorted(sections, key=lambda each: not each.first):
        for key, places in section.places.items():
            found = table.setdefault(key, [])
            found += [str(place) for place in places if str(place) not in found]
    return table


@given(PLACES, PLACES)
def test_comfyui_reads_what_was_meant(
    fast: dict[str, list[Path]], slow: dict[str, list[Path]]
) -> None:
    sections = (Section("fast", fast, first=True), Section("slow", slow))
    data = path_sections.text(sections)
    assert as_comfyui_has_it(data, Path("/elsewhere")) == meant(*sections)
    assert path_sections.is_ours(data)


@given(PLACES)
def test_so_do_we(places: dict[str, list[Path]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "extra_model_paths.yaml"
        file.write_bytes(path_sections.text([Section("slow", places)]))
        found: dict[str, list[Path]] = {}
        for key, path, is_default, _ in extra_paths.read(file):
            assert not is_default
            found.setdefault(key, []).append(path)
    assert found == places


@pytest.mark.parametrize("name", ["a\nb", "\udcff", "x/../y", "relative"])
def test_what_can_not_be_said_is_refused(name: str) -> None:
    path = Path(name) if name == "relative" else Path(f"/{name}")
    with pytest.raises(Unsayable) as refused:
        path_sections.text([Section("slow", {"loras": [path]})])
    assert refused.value.path == path


@given(st.binary(), st.integers(0, 10_000), st.binary(max_size=3))
def test_what_was_changed_is_ours_no_more(noise: bytes, at: int, put: bytes) -> None:
    assert not path_sections.is_ours(noise)
    data = path_sections.text([Section("slow", {"loras": [Path("/models/loras")]})])
    at %= len(data)
    changed = data[:at] + put + data[at + 1 :]
    assert path_sections.is_ours(changed) == (changed == data)
