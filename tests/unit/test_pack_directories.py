"""Inputs of packs that choose directories, in the ways in which packs list them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from comfyfix.comfyui.loaders.table import built_in, merged
from comfyfix.comfyui.references.find import references
from comfyfix.comfyui.workflows.read import parse
from tests.unit.test_pack_kinds import node, only, read

HELPER = """
def listed(paths, predicate=lambda _: True):
    found = [item for path in paths for item in Path(path).iterdir() if predicate(item)]
    return {item.name: str(item.absolute()) for item in found}

def folders(path):
    result = []
    for name in os.listdir(path):
        if os.path.isdir(os.path.join(path, name)) and not name.startswith("."):
            result.append(name)
    return result

def both(path):
    inside = lambda name: os.path.join(path, name)
    return [n for n in os.listdir(path) if os.path.isdir(inside(n)) or n.endswith(".gguf")]

def deep(path):
    result = []
    for name in os.listdir(path):
        if os.path.isdir(os.path.join(path, name)):
            for inner in os.listdir(os.path.join(path, name)):
                if inner.endswith(".gguf"):
                    result.append(name + "/" + inner)
    return result

def walked(path):
    found = []
    for place in [path, os.path.join(M, "LLM")]:
        if os.path.exists(place):
            found += next(os.walk(place))[1]
    return found

def with_an_index(path):
    found = []
    for root, subdir, files in os.walk(path, followlinks=True):
        if "model_index.json" in files:
            found.append(os.path.relpath(root, start=path))
    return found

def files_of(path):
    found = []
    for root, dirs, files in os.walk(path):
        for name in files:
            found.append(os.path.relpath(os.path.join(root, name), path))
    return found

def files_of_each(path):
    return [name for inner in next(os.walk(path))[1] for name in os.listdir(path + "/" + inner)]

def of_each_listed(path):
    found = []
    for root, dirs, files in os.walk(path):
        found += [os.path.basename(name) for name in os.listdir(root)]
    return found
"""
WAYS = [
    "[item.name for item in Path(M, 'LLM').iterdir() if item.is_dir()]",
    "[d for d in os.listdir(os.path.join(M, 'LLM')) if os.path.isdir(os.path.join(M, 'LLM', d))]",
    "sorted(folders(os.path.join(M, 'LLM')))",
    "['none'] + folders(os.path.join(M, 'LLM'))",
    "[*listed([os.path.join(M, 'LLM')], lambda x: x.is_dir())]",
    "[e.name for e in os.scandir(os.path.join(M, 'LLM')) if e.is_dir()]",
    "next(os.walk(os.path.join(M, 'LLM')))[1]",
    "walked(os.path.join(M, 'LLM'))",
    "with_an_index(os.path.join(M, 'LLM'))",
    "[d for _, dirs, _ in os.walk(os.path.join(M, 'LLM')) for d in dirs]",
]


@pytest.mark.parametrize("way", WAYS)
def test_directories_are_chosen(tmp_path: Path, way: str) -> None:
    facts = read(tmp_path, node(way, HELPER))
    entry = only(facts)
    assert (entry.kind, entry.folder) == ("directory", "LLM"), entry
    graph = {"1": {"class_type": "Node", "inputs": {"x": "some-model-7B"}}}
    (one,) = references(parse(json.dumps(graph).encode()), "w", merged(facts.loaders, built_in()))
    assert (one.kind, one.path) == ("directory", "some-model-7B")


def test_directories_and_files_are_chosen(tmp_path: Path) -> None:
    entry = only(read(tmp_path, node("both(os.path.join(M, 'LLM'))", HELPER)))
    assert (entry.kind, entry.endings) == ("directory_or_file", (".gguf",))


@pytest.mark.parametrize("test", ["not os.path.isdir(os.path.join(M, 'LLM', d))",
                                  "os.path.isfile(os.path.join(M, 'LLM', d))", "True"])  # fmt: skip
def test_what_may_be_files_is_no_directory(tmp_path: Path, test: str) -> None:
    way = f"[d for d in os.listdir(os.path.join(M, 'LLM')) if {test}]"
    assert only(read(tmp_path, node(way))).kind == "file"


@pytest.mark.parametrize("way", ["deep", "files_of", "files_of_each", "of_each_listed"])
def test_files_in_directories_are_files(tmp_path: Path, way: str) -> None:
    facts = read(tmp_path, node(f"{way}(os.path.join(M, 'LLM'))", HELPER))
    assert "Node" not in facts.loaders or only(facts).kind == "file"


DICTS = """
def by_name(key):
    try:
        places = folder_paths.get_folder_paths(key)
    except Exception:
        places = []
    places = [place for place in places if os.path.isdir(place)]
    if not places:
        return {}
    found = {}
    for place in places:
        for name in os.listdir(place):
            if name.endswith(".pt"):
                found[name] = place
    return found

def with_none(key):
    return {"none": None, **by_name(key)}

def asked(key):
    return {**by_name(key), **their_server()}

def downloaded(key):
    found = by_name(key)
    found.update(fetch_names())
    return found

def renamed(key):
    return {title_of(name): place for name, place in by_name(key).items()}

def put(key):
    found = by_name(key)
    found[their_server()] = key
    return found

def added(key):
    found = by_name(key)
    found |= their_server()
    return found
"""


@pytest.mark.parametrize(
    ("choices", "names"),
    [
        ("[name for name in by_name('vae')]", ()),
        ("list(by_name('vae').keys())", ()),
        ("[*by_name('vae')]", ()),
        ("[name for name, place in by_name('vae').items()]", ()),
        ("list(with_none('vae'))", ("none",)),
        ("['auto'] + list(by_name('vae'))", ("auto",)),
    ],
)
def test_the_keys_of_a_dict_are_all_that_is_chosen_from(
    tmp_path: Path, choices: str, names: tuple[str, ...]
) -> None:
    entry = only(read(tmp_path, node(choices, DICTS)))
    assert (entry.folder, entry.names, entry.closed) == ("vae", names, True)


@pytest.mark.parametrize("way", ["asked", "downloaded", "renamed", "put", "added"])
def test_a_dict_with_keys_that_could_not_be_read_is_not_all(tmp_path: Path, way: str) -> None:
    facts = read(tmp_path, node(f"list({way}('vae'))", DICTS))
    assert "Node" not in facts.loaders or not only(facts).closed
