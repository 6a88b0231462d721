"""Our lookup against a plain model of ComfyUI's, on real trees: list all, then ask the list.

ComfyUI refuses a value that is not in the list of its key, and loads the first directory's file of
that name. The model below does just that, by walking; ours asks for the one file.
"""

# The model speaks os.path, as what it models does.

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from comfyfix.comfyui.loaders import server
from comfyfix.comfyui.store import extra_paths, folders, keys
from comfyfix.comfyui.store.inventory import model_files
from comfyfix.comfyui.store.reported import with_endings, with_searched

TORCH = {".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft"}
PACKS = {".gguf", ".onnx", ".engine"}  # as if packs had added theirs to the shared set
OWN: dict[str, tuple[list[str], set[str]]] = {
    "loras": (["models/loras"], TORCH | PACKS),
    "vae": (["models/vae"], TORCH | PACKS),
    "text_encoders": (["models/text_encoders", "models/clip"], TORCH | PACKS),
    "diffusion_models": (["models/unet", "models/diffusion_models"], TORCH | PACKS),
    "controlnet": (["models/controlnet", "models/t2i_adapter"], TORCH | PACKS),
    "configs": (["models/configs"], {".yaml"}),
    "classifiers": (["models/classifiers"], {""}),
    "custom_nodes": (["custom_nodes"], set()),
}
SAVED = {"clip": "text_encoders", "vae": "vae", "diffusion_models": "diffusion_models"}
OLD = {"unet": "diffusion_models", "clip": "text_encoders"}
Section = dict[str, Any] | None


class Model:
    """What ComfyUI knows after it has started: lists of directories, and endings."""

    def __init__(self, comfyui: Path, sections: list[Section]) -> None:
        self.beside = str(comfyui)
        self.table = {
            key: ([f"{comfyui}/{place}" for place in places], endings)
            for key, (places, endings) in OWN.items()
        }
        for section in sections:
            for key, directory in self.lines(dict(section or {})):
                self.add(key, directory, first=bool(section and section.get("is_default")))
        for place, key in (*SAVED.items(), ("loras", "loras")):
            self.add(key, f"{comfyui}/output/{place}", first=False)

    def lines(self, section: dict[str, Any]) -> list[tuple[str, str]]:
        """Key and directory of each line of a section."""
        section.pop("is_default", None)
        base = self.beside
        if told := section.pop("base_path", None):
            base = os.path.join(base, os.path.expandvars(os.path.expanduser(told)))
        return [
            (key, os.path.normpath(os.path.join(base, line)))
            for key, value in section.items()
            for line in value.split("\n")
            if line
        ]

    def add(self, key: str, directory: str, *, first: bool) -> None:
        """Add a directory to a key, or move it to the front."""
        paths, _ = self.table.setdefault(OLD.get(key, key), ([], set()))
        if directory in paths and not first:
            return
        if directory in paths:
            paths.remove(directory)
        paths.insert(0 if first else len(paths), directory)

    def listed(self, key: str) -> set[str]:
        """Every name that a node with this key offers."""
        paths, endings = self.table[key]
        names = set()
        for directory in paths:
            for place, below, files in os.walk(directory, followlinks=True):
                below[:] = [name for name in below if name != ".git"]
                names |= {os.path.relpath(os.path.join(place, f), directory) for f in files}
        return {n for n in names if not endings or os.path.splitext(n)[1].lower() in endings}

    def loads(self, key: str, name: str) -> str | None:
        """The file that is loaded for a name, or None if it is refused."""
        key = OLD.get(key, key)
        anchored = os.path.relpath(os.path.join("/", name), "/")
        if anchored not in self.listed(key):
            return None
        found = [path for d in self.table[key][0] if os.path.isfile(path := f"{d}/{anchored}")]
        return found[0] if found else None


KEYS = [*OWN, "unet", "clip", "a_packs_key"]
NAMES = ["a.safetensors", "A.safetensors", "b.SAFETENSORS", "c.ckpt", "d.gguf", "e.txt", "f.yaml"]
NAMES += ["none", "w\\a.safetensors", ".git"]
PLACES = ["", "w/", "W/", "w/x/", ".git/", "w/.git/", "linked/", "w.safetensors/"]
DIRECTORIES = [
    *(f"ComfyUI/{place}" for places, _ in OWN.values() for place in places),
    "ComfyUI/output/clip",
    "ComfyUI/output/loras",
    "ComfyUI/models/Loras",
    "shared/loras",
    "shared/lora two",
    "home/shared/loras",
]
LINES = ["loras", "lora two", "x/../loras", "../shared/loras", "loras\n\nlora two\n", "\n"]
NAMED = st.builds(lambda p, n: f"{p}{n}", st.sampled_from(PLACES), st.sampled_from(NAMES))
ENTRIES = st.tuples(
    st.sampled_from(["file", "file", "file", "folder", "link", "dangling", "linked folder"]),
    st.sampled_from(DIRECTORIES),
    NAMED,
)
SECTIONS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "base_path": st.sampled_from(["../shared", "~/shared", "$SHARED", "{root}/shared", "."]),
        "is_default": st.booleans(),
        **{key: st.sampled_from(LINES) for key in ("loras", "clip", "unet", "vae", "a_packs_key")},
    },
)
ASKED = NAMED | st.sampled_from(
    ["", ".", "..", "../a.safetensors", "w/../a.safetensors", "./a.safetensors", "/a.safetensors",
     "a.safetensors/", "a.safetensors/.", "w//a.safetensors", "../models/loras/a.safetensors"]
)  # fmt: skip


def grow(root: Path, entries: list[tuple[str, str, str]]) -> None:
    """Make a tree; what would lie where something else lies already is left out."""
    for name in ("a.safetensors", "w/a.safetensors", ".git/a.safetensors"):
        target = root / "elsewhere" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"x")
    for kind, directory, name in entries:
        path = root / directory / name
        if kind == "linked folder":
            path = root / directory / "linked"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "file":
                path.write_bytes(b"x")
            elif kind == "folder":
                path.mkdir()
            elif kind == "link":
                path.symlink_to(root / "elsewhere/a.safetensors")
            elif kind == "dangling":
                path.symlink_to("nowhere")
            else:
                path.symlink_to(root / "elsewhere")
        except OSError:
            continue


LORAS = "ComfyUI/models/loras"
TOLD = {"base_path": "$SHARED", "loras": "loras", "a_packs_key": "loras"}


@settings(max_examples=150)
@given(
    st.lists(ENTRIES, max_size=12),
    st.lists(SECTIONS, max_size=3),
    st.lists(st.tuples(st.sampled_from(KEYS), ASKED), min_size=1, max_size=12),
)
@example([("file", LORAS, "e.txt")], [], [("loras", "e.txt")])
@example([("file", LORAS, "b.SAFETENSORS")], [], [("loras", "b.SAFETENSORS")])
@example([("file", LORAS, "w/.git/c.ckpt")], [], [("loras", "w/.git/c.ckpt")])
@example([("file", LORAS, "a.safetensors")], [], [("loras", "A.safetensors")])
@example([("file", LORAS, "a.safetensors")], [], [("loras", "a.safetensors/.")])
@example([("file", LORAS, "w/a.safetensors")], [], [("loras", "w\\a.safetensors")])
@example([("linked folder", LORAS, "-")], [], [("loras", "linked/w/a.safetensors")])
@example(
    [("dangling", LORAS, "c.ckpt"), ("file", "shared/loras", "c.ckpt")],
    [TOLD],
    [("loras", "c.ckpt")],
)
@example([("file", "ComfyUI/output/clip", "c.ckpt")], [], [("clip", "c.ckpt")])
@example([("file", "ComfyUI/models/classifiers", "none")], [], [("classifiers", "none")])
@example([("file", "shared/loras", "e.txt")], [TOLD], [("a_packs_key", "e.txt")])
def test_lookup_is_comfyuis(
    entries: list[tuple[str, str, str]], sections: list[Section], asked: list[tuple[str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        root = Path(os.path.realpath(folder))
        comfyui = root / "ComfyUI"
        (comfyui / "models").mkdir(parents=True)
        grow(root, entries)
        patch.setenv("HOME", str(root / "home"))
        patch.setenv("SHARED", str(root / "shared"))
        told = [
            s and {key: v.format(root=root) if isinstance(v, str) else v for key, v in s.items()}
            for s in sections
        ]
        named = {f"section {number}": section for number, section in enumerate(told)}
        (comfyui / "extra_model_paths.yaml").write_text(json.dumps(named))
        ours, theirs = folders.read(comfyui, [], None), Model(comfyui, told)
        if "a_packs_key" not in theirs.table:  # then its pack would have registered its own
            theirs.add("a_packs_key", f"{comfyui}/models/a_packs_key", first=False)
        for key, name in asked:
            paths = theirs.table[OLD.get(key, key)][0]
            assert list(map(str, ours.directories(key))) == paths
            hit = ours.find(key, name)
            assert (hit[0] if hit else None) == theirs.loads(key, name), (key, name)


@settings(max_examples=150)
@given(
    st.lists(ENTRIES, max_size=12),
    st.lists(SECTIONS, max_size=2),
    SECTIONS,
    st.integers(0, 2),
    st.lists(st.tuples(st.sampled_from(KEYS), ASKED), min_size=1, max_size=12),
)
@example(
    [("file", LORAS, "c.ckpt"), ("file", "shared/loras", "c.ckpt")],
    [],
    {**TOLD, "is_default": True},
    0,
    [("loras", "c.ckpt")],
)
@example([("file", "shared/loras", "c.ckpt")], [], TOLD, 0, [("loras", "c.ckpt")])
def test_of_models_and_copies_comfyui_opens_the_one_that_we_tell(
    entries: list[tuple[str, str, str]],
    sections: list[Section],
    fast: Section,
    place: int,
    asked: list[tuple[str, str]],
) -> None:
    """One of the sections is that of a fast tier: what is there is the same, but not where."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        root = Path(os.path.realpath(folder))
        comfyui = root / "ComfyUI"
        (comfyui / "models").mkdir(parents=True)
        grow(root, entries)
        patch.setenv("HOME", str(root / "home"))
        patch.setenv("SHARED", str(root / "shared"))
        told = [
            s and {key: v.format(root=root) if isinstance(v, str) else v for key, v in s.items()}
            for s in (*sections[:place], fast, *sections[place:])
        ]
        at = min(place, len(sections))
        named = {
            extra_paths.FAST if number == at else f"section {number}": section
            for number, section in enumerate(told)
        }
        (comfyui / "extra_model_paths.yaml").write_text(json.dumps(named))
        ours, theirs = folders.read(comfyui, [], None), Model(comfyui, told)
        if "a_packs_key" not in theirs.table:
            theirs.add("a_packs_key", f"{comfyui}/models/a_packs_key", first=False)
        for key, name in asked:
            opened = theirs.loads(key, name)
            assert bool(ours.find(key, name)) == bool(opened), (key, name)
            assert opened in (None, ours.opened(key, name))


@pytest.mark.parametrize(
    ("key", "name", "listed"),
    [
        ("loras", "x.SFT", True),
        ("loras", "x.zip", False),
        ("diffusion_models", "x.gguf", True),
        ("unet_gguf", "x.gguf", True),
        ("configs", "v1-inference.yaml", True),
        ("configs", "v1-inference.ckpt", False),
        ("classifiers", "nsfw", True),
        ("classifiers", "nsfw.pt", False),
        ("diffusers", "x/unet/model.safetensors", True),
        ("a_packs_key", "x.zip", True),
        ("a_packs_key", ".git/x.zip", False),
        ("a_packs_key", "x.git/x.zip", True),
    ],
)
def test_a_key_takes_files_by_their_ending(key: str, name: str, listed: bool) -> None:
    assert keys.accepts(key, name) is listed


def test_what_packs_list_comes_on_top_of_the_core_and_is_all_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "models" / "ours").mkdir(parents=True)
    for name in ("a.task", "b.pt", "c.txt"):
        (tmp_path / "models" / "ours" / name).write_bytes(b"x")
    usual = folders.read(tmp_path, [], None)
    found = with_endings(usual, {"ours": [".TASK"], "loras": [".patch"], "any": []})
    listed = [
        (key, name)
        for key, name in [
            ("ours", "a.task"), ("ours", "b.pt"), ("loras", "x.patch"), ("loras", "x.pt"),
            ("loras", "x.txt"), ("loras", ".git/x.patch"), ("any", "x.txt"), ("other", "x.txt"),
        ]
        if found.accepts(key, name)
    ]  # fmt: skip
    assert listed == [
        ("ours", "a.task"), ("loras", "x.patch"), ("loras", "x.pt"), ("any", "x.txt"),
        ("other", "x.txt"),
    ]  # fmt: skip
    told = with_searched(found, {"ours": [tmp_path / "models" / "ours"]})
    assert [file.model.key for file in model_files(told)] == ["ours/a.task", "ours/b.pt"]
    assert found.find("ours", "a.task")
    assert not found.find("ours", "b.pt")


def test_directories_that_a_server_names_are_looked_into_in_its_order(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "store").mkdir()
    usual = folders.read(tmp_path, [], tmp_path / "store")
    own, more = usual.directories("vae"), tmp_path / "more"
    first = with_searched(usual, {"vae": [more, *own], "loras": [tmp_path / "store" / "L"]})
    assert first.directories("vae") == (more, *own)
    assert first.searched == frozenset({"loras", "vae"})
    then = with_searched(usual, {"vae": [more], "gligen": []})
    assert then.directories("vae") == (*own, more)
    assert first.destination("vae", "x") == usual.destination("vae", "x")


def test_of_what_a_server_names_only_directories_of_this_machine_count(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    told = [
        "/",
        "/usr",
        "//",
        str(tmp_path),
        f"{tmp_path}/no",
        f"{tmp_path}/file",
        "tests",
        "C:\\x",
    ]
    assert list(server.here([*told, f"{tmp_path}/../{tmp_path.name}", "a\0b"])) == [tmp_path] * 2


def test_a_folder_that_links_to_itself_is_looked_into_once_per_name(tmp_path: Path) -> None:
    loras = tmp_path / "models" / "loras"
    loras.mkdir(parents=True)
    (loras / "loop").symlink_to(loras)
    (loras / "a.pt").write_bytes(b"x")
    found = folders.read(tmp_path, [], None)
    assert found.find("loras", "loop/loop/a.pt")
    assert found.find("loras", "loop/" * 60 + "a.pt") is None  # the system's bound on links


def test_a_diffusers_folder_is_one_that_tells_its_model(tmp_path: Path) -> None:
    for name in ("empty", "whole"):
        (tmp_path / "models" / "diffusers" / name).mkdir(parents=True)
    (tmp_path / "models" / "diffusers" / "whole" / "model_index.json").write_text("{}")
    (tmp_path / "second" / "empty").mkdir(parents=True)
    (tmp_path / "second" / "empty" / "model_index.json").write_text("{}")
    (tmp_path / "extra_model_paths.yaml").write_text("a: {diffusers: second}")
    found = folders.read(tmp_path, [], None)
    assert found.is_directory("diffusers", "whole")
    assert not found.is_directory("diffusers", "empty")  # the first of the name is taken
    assert not found.is_directory("diffusers", "whole/model_index.json")
    assert found.is_directory("LLM", "../diffusers") is False
