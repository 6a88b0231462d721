"""Each way in which packs say what an input chooses, as a pack of its own.

What ComfyUI itself offers for such an input was looked up at a running one.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from comfyfix.comfyui.loaders.table import Loader, LoaderInput
from comfyfix.comfyui.packs import installed
from comfyfix.comfyui.packs.facts import PackFacts
from comfyfix.comfyui.references.find import references
from comfyfix.comfyui.store import folders
from comfyfix.comfyui.store.reported import with_registered
from comfyfix.comfyui.workflows.read import parse
from comfyfix.endings import CORE

CHOICES = "folder_paths.get_filename_list('style_models')"
STYLE = ("style_models",)


def read(comfyui: Path, init: str, **modules: str) -> PackFacts:
    """What the installation says with one more pack."""
    pack = comfyui / "custom_nodes" / "a-pack"
    pack.mkdir(parents=True)
    (comfyui / "models").mkdir()
    (pack / "__init__.py").write_text(textwrap.dedent(init))
    for name, text in modules.items():
        (pack / f"{name}.py").write_text(textwrap.dedent(text))
    return installed.read(comfyui, [], None)


def node(choices: str = CHOICES, before: str = "", name: str = "Node") -> str:
    """A pack whose one input has these choices."""
    return (
        "import os, glob, folder_paths, nodes\nfrom pathlib import Path\n"
        "M, R = folder_paths.models_dir, folder_paths.folder_names_and_paths\n"
        + textwrap.dedent(before)
        + f"\nclass Inner:\n    @classmethod\n    def INPUT_TYPES(s):\n"
        f"        return {{'required': {{'x': ({choices},)}}}}\n"
        f"NODE_CLASS_MAPPINGS = {{'{name}': Inner}}\n"
    )


def only(facts: PackFacts, name: str = "Node", key: str = "x") -> LoaderInput:
    return facts.loaders[name].inputs[key]


def places(comfyui: Path, facts: PackFacts, entry: LoaderInput) -> tuple[str, list[str]]:
    """Where a new file goes, and all places that are looked into, relative to the ComfyUI."""
    known = with_registered(folders.read(comfyui, [], None), facts.folders)
    assert entry.folder is not None
    looked = [d for key in (entry.folder, *entry.also) for d in known.directories(key)]
    place = known.destination(entry.folder, "f").parent
    return str(place.relative_to(comfyui)), [str(d.relative_to(comfyui)) for d in looked]


# -- what else stands in a list ---------------------------------------------------------------


@pytest.mark.parametrize(
    "choices",
    [
        f"['Choose one of them'] + {CHOICES}",
        f"[*{CHOICES}, 'Choose one of them']",
        f"['Choose one of them', *sorted({CHOICES})]",
        f"'COMBO', {{'options': ['Choose one of them'] + {CHOICES}}}",
    ],
)
def test_what_a_pack_offers_beside_files_is_no_model(choices: str, tmp_path: Path) -> None:
    entry = only(read(tmp_path, node(choices)))
    assert (entry.folder, entry.names) == ("style_models", ("Choose one of them",))
    table = {"Node": Loader(inputs={"x": entry})}
    for value, told in (("Choose one of them", []), ("Choose another", ["Choose another"])):
        graph = parse(json.dumps({"1": {"class_type": "Node", "inputs": {"x": value}}}).encode())
        assert [one.value for one in references(graph, "w", table)] == told


@pytest.mark.parametrize(
    ("choices", "offered"),
    [
        (CHOICES, ()),
        (f"sorted({CHOICES})", ()),
        (f"['none'] + {CHOICES}", ("none",)),
        (f"[*{CHOICES}, 'auto']", ("auto",)),
        (f"{CHOICES} or ['None']", ("None",)),
        (f"[n for n in {CHOICES} if n.endswith('.pth')]", ()),
        (f"'COMBO', {{'options': ['default'] + {CHOICES}}}", ("default",)),
    ],
)
def test_what_stands_for_nothing_is_a_name_where_the_list_has_none(
    choices: str, offered: tuple[str, ...], tmp_path: Path
) -> None:
    """As ComfyUI refuses it: also `undefined`, which its page writes where a list was empty."""
    table = {"Node": Loader(inputs={"x": only(read(tmp_path, node(choices)))})}
    for value in ("None", "none", "undefined", "auto", "default", "Baked VAE"):
        graph = parse(json.dumps({"1": {"class_type": "Node", "inputs": {"x": value}}}).encode())
        told = [one.value for one in references(graph, "w", table)]
        assert told == ([] if value in offered else [value])


@pytest.mark.parametrize(
    ("choices", "before"),
    [
        (f"{CHOICES} + more()", ""),
        (f"[*{CHOICES}, *more()]", ""),
        (f"[*{CHOICES}, more()]", ""),
        (f"more() or {CHOICES}", ""),
        (f"list(set({CHOICES}).union(more()))", ""),
        ("names", f"names = {CHOICES}\nnames.extend(more())"),
        ("names", f"names = {CHOICES}\nnames.insert(0, more())"),
        ("names", f"names = {CHOICES}\nnames += more()"),
        ("names", f"names = [*{CHOICES}]\nnames.extend(more())"),
        ("names", f"if more():\n    names = {CHOICES}\nelse:\n    names = more()"),
        ("list(d)", f"d = {{n: n for n in {CHOICES}}}\nd.update(more())"),
        ("list(d.keys())", f"d = {{n: n for n in {CHOICES}}}\nd.update(more())"),
    ],
)
def test_what_was_not_read_of_a_list_may_stand_for_nothing(
    choices: str, before: str, tmp_path: Path
) -> None:
    entry = only(read(tmp_path, node(choices, f"from elsewhere import more\n{before}")))
    graph = parse(json.dumps({"1": {"class_type": "Node", "inputs": {"x": "None"}}}).encode())
    assert entry.folder
    assert list(references(graph, "w", {"Node": Loader(inputs={"x": entry})})) == []


def test_a_loop_over_what_is_not_known_may_have_added_names(tmp_path: Path) -> None:
    before = """
        import elsewhere

        def names():
            found = ["None"]
            for one in elsewhere.all():
                found.append(one)
            return found
        """
    entry = only(read(tmp_path, node(f"names() + {CHOICES}", before)))
    assert entry.names == ("None",)
    assert not entry.closed


def test_of_two_lists_the_one_that_is_known_counts(tmp_path: Path) -> None:
    before = """
        import elsewhere

        def places():
            found = []
            for one in elsewhere.all():
                found.extend(one)
            return found if found else [os.path.join(M, "mine")]
        """
    facts = read(tmp_path, node("[f for p in places() for f in os.listdir(p)]", before))
    assert places(tmp_path, facts, only(facts))[0] == "models/mine"


def test_a_name_that_a_loop_may_have_set_is_not_sure_to_be_none(tmp_path: Path) -> None:
    """It looks for another pack, and has nodes where it finds that."""
    init = f"""
        import os, folder_paths
        NODE_CLASS_MAPPINGS = {{}}
        try:
            found = None
            for place in folder_paths.get_folder_paths("custom_nodes"):
                if "another" in os.listdir(place):
                    found = os.path.join(place, "another")
                    break
            if found is None:
                raise Exception("it is not there")

            class Inner:
                @classmethod
                def INPUT_TYPES(s):
                    return {{"required": {{"x": ({CHOICES},)}}}}

            NODE_CLASS_MAPPINGS.update({{"Node": Inner}})
        except Exception as e:
            print(e)
        """
    assert only(read(tmp_path, init)).folder == "style_models"


def test_a_long_function_that_imports_modules_of_the_pack_is_read(tmp_path: Path) -> None:
    names = ", ".join(f"Node{number}" for number in range(12))
    lines = "".join(f"    {name},\n" for name in names.split(", "))
    init = (
        f"def load():\n    from .more import (\n{lines}    )\n    return {{\n"
        + "".join(f"        'My {name}': {name},\n" for name in names.split(", "))
        + "    }\n\ndef put(make):\n    made = make() if callable(make) else make\n"
        "    for key, value in made.items():\n        NODE_CLASS_MAPPINGS[key] = value\n"
        "NODE_CLASS_MAPPINGS = {}\nput(load)\n"
    )
    more = "import folder_paths\n" + "".join(
        f"class {name}:\n    @classmethod\n    def INPUT_TYPES(s):\n"
        f"        return {{'required': {{'x': ({CHOICES},)}}}}\n"
        for name in names.split(", ")
    )
    facts = read(tmp_path, init, more=more)
    assert only(facts, "My Node11").folder == "style_models"


@pytest.mark.parametrize("asked", ["s.choices(s)", "s().choices()", "Inner().choices()"])
def test_a_method_that_gives_the_choices_is_read_however_long(asked: str, tmp_path: Path) -> None:
    """Beside methods that only a run of the node calls, which are not."""
    rest = "        a = 1\n" * 20
    init = (
        "import folder_paths\nclass Inner:\n    FUNCTION = 'load'\n"
        f"    def load(self, x):\n{rest}        return folder_paths.get_full_path('loras', x)\n"
        f"    def choices(self):\n{rest}        return {CHOICES}\n"
        "    @classmethod\n    def INPUT_TYPES(s):\n"
        f"        return {{'required': {{'x': ({asked},)}}}}\n"
        "NODE_CLASS_MAPPINGS = {'Node': Inner}\n"
    )
    assert only(read(tmp_path, init)).folder == "style_models"


def test_a_picture_is_chosen_only_where_a_pack_lists_pictures(tmp_path: Path) -> None:
    inputs = {"x": {"content": "a.pth", "image": None}}
    graph = parse(json.dumps({"1": {"class_type": "Node", "inputs": inputs}}).encode())
    entry = only(read(tmp_path, node()))
    [told] = references(graph, "w", {"Node": Loader(inputs={"x": entry})})
    assert told.value == json.dumps(inputs["x"])
    [told] = references(graph, "w", {"Node": Loader(inputs={"x": LoaderInput(folder="vae")})})
    assert told.value == "a.pth"


def test_the_folders_of_names_are_no_names(tmp_path: Path) -> None:
    choices = f"['All'] + list(set([os.path.dirname(n) for n in {CHOICES}]))"
    assert read(tmp_path, node(choices)).loaders.keys() == set()


@pytest.mark.parametrize("ending", [".ttf", ".png", ".CUBE", ".json"])
def test_a_list_of_what_is_no_model_chooses_none(ending: str, tmp_path: Path) -> None:
    before = "HERE = os.path.join(os.path.dirname(__file__), 'things')"
    choices = f"[n for n in os.listdir(HERE) if n.lower().endswith('{ending}')]"
    assert read(tmp_path, node(choices, before)).loaders.keys() == set()


def test_a_key_for_texts_is_none_of_models(tmp_path: Path) -> None:
    before = "R['mykey'] = ([os.path.join(M, 'prompts')], {'.txt'})"
    choices = "os.listdir(folder_paths.get_folder_paths('mykey')[0])"
    assert read(tmp_path, node(choices, before)).loaders.keys() == set()


def test_an_input_that_takes_a_link_alone_is_no_widget(tmp_path: Path) -> None:
    linked = f"({CHOICES}, {{'forceInput': True}})"
    inputs = f"{{'a': {linked}, 'b': ('INT',), 'x': ({CHOICES},)}}"
    text = node().replace(f"{{'x': ({CHOICES},)}}", inputs)
    assert only(read(tmp_path, text)).index == 1


@pytest.mark.parametrize(
    ("before", "choices"),
    [
        ("class Lists:\n    get = staticmethod(folder_paths.get_filename_list)",
         "Lists.get('style_models')"),
        ("listed = getattr(folder_paths, 'get_filename_list')", "listed('style_models')"),
        (f"def names():\n    yield from {CHOICES}", "list(names())"),
        (f"def names():\n    for n in {CHOICES}:\n        yield n", "sorted(names())"),
        (f"class Lists:\n    @property\n    def all(self):\n        return {CHOICES}",
         "Lists().all"),
    ],
)  # fmt: skip
def test_lists_that_are_asked_for_in_a_roundabout_way(
    before: str, choices: str, tmp_path: Path
) -> None:
    assert only(read(tmp_path, node(choices, before))).folder == "style_models"


@pytest.mark.parametrize(
    ("names", "endings"),
    [
        ("os.listdir(P)", {".onnx", ".pth"}),
        ("[p.name for p in Path(P).iterdir()]", {".onnx", ".pth"}),
        ("folder_paths.get_filename_list('loras')", {".pth"}),
    ],
)
def test_a_pack_that_looks_into_directories_itself_takes_what_it_wants(
    names: str, endings: set[str], tmp_path: Path
) -> None:
    before = "P = folder_paths.get_folder_paths('loras')[0]"
    choices = f"[n for n in {names} if n.endswith(('.onnx', '.pth'))]"
    assert set(only(read(tmp_path, node(choices, before))).endings) == endings
    everything = only(read(tmp_path / "b", node("os.listdir(P)", before)))
    assert (everything.folder, everything.endings) == ("loras", ())


@pytest.mark.parametrize("place", ["os.sep.join([M, 'deep', 'zz'])", "'%s/%s/zz' % (M, 'deep')"])
def test_paths_that_are_put_together_as_texts(place: str, tmp_path: Path) -> None:
    before = f"folder_paths.add_model_folder_path('mykey', {place})"
    facts = read(tmp_path, node("folder_paths.get_filename_list('mykey')", before))
    assert places(tmp_path, facts, only(facts))[0] == "models/deep/zz"


@pytest.mark.parametrize(
    ("signature", "listed"),
    [("s, x", False), ("s, **all", False), ("s, y", True), ("s, *, x=1", True)],
)
def test_what_a_node_looks_at_itself_is_held_against_no_list(
    signature: str, listed: bool, tmp_path: Path
) -> None:
    own = f"    @classmethod\n    def VALIDATE_INPUTS({signature}): return True\nNODE_CLASS"
    text = node().replace("NODE_CLASS", own)
    assert only(read(tmp_path, text)).listed is listed


# -- names -----------------------------------------------------------------------------------


def test_a_name_that_is_given_itself_is_what_it_was(tmp_path: Path) -> None:
    helper = """
        import sys
        try:
            from comfy.fork import listing
        except ImportError:
            folder_paths = sys.modules["folder_paths"]
            from folder_paths import get_filename_list as listing
        listing = listing
    """
    facts = read(
        tmp_path, "from .helper import listing\n" + node("listing('loras')"), helper=helper
    )
    assert only(facts).folder == "loras"
    before = "from folder_paths import get_filename_list as g\ng = g"
    facts = read(tmp_path / "b", node("g('loras')", before))
    assert only(facts).folder == "loras"


@pytest.mark.parametrize(
    "after",
    [
        "extra = {}\nNODE_CLASS_MAPPINGS, extra = add(NODE_CLASS_MAPPINGS, extra)",
        "try:\n    from .absent import add\n    NODE_CLASS_MAPPINGS = add(NODE_CLASS_MAPPINGS)\n"
        "except ImportError:\n    pass",
        "NODE_CLASS_MAPPINGS = {**NODE_CLASS_MAPPINGS, **unknown}",
        "def add(a, b):\n    b['More'] = a['Node']\n    return a, b\n"
        "NODE_CLASS_MAPPINGS, extra = add(NODE_CLASS_MAPPINGS, {})",
        "for n in ('p', 'q'):\n    NODE_CLASS_MAPPINGS[n] = NODE_CLASS_MAPPINGS['Node']",
    ],
)
def test_mappings_that_are_made_anew_keep_their_classes(after: str, tmp_path: Path) -> None:
    assert only(read(tmp_path, node() + after)).folder == "style_models"


def test_modules_imported_by_name_give_their_mappings(tmp_path: Path) -> None:
    init = """
        import importlib
        NODE_CLASS_MAPPINGS = {}
        for name in ["first", "second"]:
            module = importlib.import_module(".{}".format(name), __name__)
            for key, cls in module.CLASSES.items():
                NODE_CLASS_MAPPINGS["My " + key] = cls
    """
    text = node().replace("NODE_CLASS_MAPPINGS", "CLASSES")
    facts = read(tmp_path, init, first=text, second="CLASSES = {}")
    assert only(facts, "My Node").folder == "style_models"
    assert "Inner" not in facts.loaders  # ComfyUI knows it under its mapped name alone


def test_a_class_without_a_mapping_is_no_node_where_others_have_one(tmp_path: Path) -> None:
    facts = read(tmp_path, node() + "class VAELoader(Inner):\n    pass\n")
    assert set(facts.loaders) == {"Node"}


def test_classes_made_by_a_function_have_what_they_are_made_from(tmp_path: Path) -> None:
    init = node() + textwrap.dedent("""
        import copy
        def elsewhere(cls):
            class Override(cls):
                @classmethod
                def INPUT_TYPES(s):
                    inputs = copy.deepcopy(cls.INPUT_TYPES())
                    inputs["optional"] = inputs.get("optional", {})
                    inputs["optional"]["device"] = (["cpu"], {})
                    return inputs
            return Override
        NODE_CLASS_MAPPINGS["Here"] = elsewhere(Inner)
        NODE_CLASS_MAPPINGS["Core"] = elsewhere(nodes.StyleModelLoader)
    """)
    facts = read(tmp_path, init)
    assert only(facts, "Here").folder == "style_models"
    assert only(facts, "Core", "style_model_name").folder == "style_models"


@pytest.mark.parametrize("with_core", [True, False], ids=["source", "table"])
@pytest.mark.parametrize(
    "body",
    [
        "t = super().INPUT_TYPES(); t['required'] = {'x': t['required']['style_model_name']}",
        "t = nodes.StyleModelLoader.INPUT_TYPES(); r = t['required']\n"
        "        t = {'required': {'x': r['style_model_name']}}",
        "t = super().INPUT_TYPES(); t['optional'] = {'x': t['required'].pop('style_model_name')}",
    ],
)
def test_classes_of_the_core_are_built_on(body: str, with_core: bool, tmp_path: Path) -> None:
    if with_core:
        (tmp_path / "nodes.py").write_text(
            node("folder_paths.get_filename_list('style_models')", name="StyleModelLoader")
            .replace("'x'", "'style_model_name'")
            .replace("Inner", "StyleModelLoader")
        )
    init = (
        "import nodes\nclass Inner(nodes.StyleModelLoader):\n    @classmethod\n"
        f"    def INPUT_TYPES(s):\n        {body}\n        return t\n"
        "NODE_CLASS_MAPPINGS = {'Node': Inner}\n"
    )
    assert only(read(tmp_path, init)).folder == "style_models"


# -- keys ------------------------------------------------------------------------------------


def test_a_key_over_the_directories_of_another_is_that_key(tmp_path: Path) -> None:
    init = node(
        "folder_paths.get_filename_list('mine')",
        "R['mine'] = (R['style_models'][0], {'.safetensors'})",
    )
    facts = read(tmp_path, init)
    entry = only(facts)
    assert (entry.folder, entry.endings) == ("style_models", (".safetensors",))
    assert places(tmp_path, facts, entry) == ("models/style_models", ["models/style_models"])


def test_a_helper_finds_the_key_whose_directories_it_takes(tmp_path: Path) -> None:
    before = """
        def over(key, targets=[]):
            base = R.get(key, ([], {}))
            base = base[0] if isinstance(base[0], (list, set, tuple)) else []
            target = next((x for x in targets if x in R), targets[0])
            orig, _ = R.get(target, ([], {}))
            R[key] = orig or base, {".gguf"}
        over("quantized", ["diffusion_models", "unet"])
    """
    facts = read(tmp_path, node("folder_paths.get_filename_list('quantized')", before))
    entry = only(facts)
    assert (entry.folder, entry.endings) == ("diffusion_models", (".gguf",))
    assert places(tmp_path, facts, entry)[0] == "models/diffusion_models"


@pytest.mark.parametrize(
    "before",
    [
        "",
        "folder_paths.add_model_folder_path('mine', find_place())",
        "folder_paths.add_model_folder_path('mine', os.environ['MINE'])",
        "R['mine'] = (places, {'.pt'})",
    ],
)
def test_a_key_that_nobody_puts_anywhere_is_not_known(before: str, tmp_path: Path) -> None:
    entry = only(read(tmp_path, node("folder_paths.get_filename_list('mine')", before)))
    assert (entry.folder, entry.also) == (None, ())


def test_a_key_of_another_pack_or_of_the_user_is_known(tmp_path: Path) -> None:
    other = tmp_path / "custom_nodes" / "z-pack.py"
    other.parent.mkdir(parents=True)
    other.write_text(
        "import folder_paths\n"
        "folder_paths.add_model_folder_path('mine', folder_paths.models_dir + '/theirs')\n"
    )
    (tmp_path / "models").mkdir()
    first = tmp_path / "custom_nodes" / "a-pack.py"
    first.write_text(node("folder_paths.get_filename_list('mine')"))
    facts = installed.read(tmp_path, [], None)
    assert places(tmp_path, facts, only(facts))[0] == "models/theirs"
    other.unlink()
    told = installed.read(tmp_path, [], None, {"mine": [tmp_path / "anywhere"]})
    assert only(told).folder == "mine"


@pytest.mark.parametrize(
    "before",
    [
        "def add(name, paths):\n    for p in paths:\n"
        "        folder_paths.add_model_folder_path(name, p)\n"
        "add('mine', [os.path.join(M, 'Else', 'where')])",
        "folder_paths.add_model_folder_path('mine', f'{M}/Else/where')",
        "folder_paths.add_model_folder_path('mine', str(Path(M) / 'Else/where'))",
        "R['mine'] = ([M + '/Else/where'], set())",
        "if 'mine' not in R:\n    paths = [os.path.join(M, 'Else/where')]\n"
        "else:\n    paths, _ = R['mine']\nR['mine'] = (paths, set())",
        "paths, endings = R.get('mine', ([], set()))\n"
        "paths.append(os.path.join(M, 'Else/where'))\n"
        "R['mine'] = (paths, endings)",
        "class K:\n    NAME = 'mine'\n    WHERE = ('Else', 'where')\n"
        "folder_paths.add_model_folder_path(K.NAME, os.path.join(M, *K.WHERE))",
    ],
    ids=range(7),
)
def test_a_key_is_found_at_its_place(before: str, tmp_path: Path) -> None:
    facts = read(tmp_path, node("folder_paths.get_filename_list('mine')", before))
    assert places(tmp_path, facts, only(facts)) == ("models/Else/where", ["models/Else/where"])


def test_what_runs_before_the_start_registers_too(tmp_path: Path) -> None:
    script = (
        "import folder_paths as f\nf.add_model_folder_path('mine', os.path.join(f.models_dir, 'X'))"
    )
    facts = read(tmp_path, node("folder_paths.get_filename_list('mine')"), prestartup_script=script)
    assert places(tmp_path, facts, only(facts))[0] == "models/X"


def test_a_packs_own_folder_is_a_place_of_its_models(tmp_path: Path) -> None:
    before = """
        folder_paths.add_model_folder_path("mine", str(Path(__file__).parent / "models"))
        folder_paths.add_model_folder_path("mine", os.path.join(M, "mine"))
        folder_paths.add_model_folder_path("own", f"{Path(__file__).parents[0]}/models")
    """
    both = "folder_paths.get_filename_list('mine')"
    facts = read(tmp_path, node(both, before))
    own = "custom_nodes/a-pack/models"
    place, looked = places(tmp_path, facts, only(facts))
    assert place == "models/mine"
    assert sorted(looked) == [own, "models/mine"]
    facts = read(tmp_path / "b", node("folder_paths.get_filename_list('own')", before))
    assert places(tmp_path / "b", facts, only(facts)) == (own, [own])


# -- choices ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "choices",
    [
        "os.listdir(os.path.join(M, 'Else'))",
        "[p.name for p in Path(M, 'Else').glob('*.pt')]",
        "[os.path.basename(p) for p in glob.glob(os.path.join(M, 'Else/*.pt'))]",
        "[str(p.relative_to(M + '/Else')) for p in Path(M, 'Else').rglob('*')]",
        "list({os.path.basename(p): p for p in glob.glob(M + '/Else/*')}.keys())",
        "folder_paths.filter_files_extensions("
        "folder_paths.recursive_search(M + '/Else', [])[0], ['.pt'])",
        "[os.path.relpath(os.path.join(r, f), M + '/Else')"
        " for r, _, fs in os.walk(M + '/Else') for f in fs]",
        "list(map(lambda p: p.name, Path(M + '/Else').iterdir()))",
        "['none'] + names(scan)",
    ],
    ids=range(9),
)
def test_a_folder_that_is_looked_through_is_the_inputs(choices: str, tmp_path: Path) -> None:
    before = """
        def scan():
            return glob.glob(os.path.join(M, "Else", "*"))
        def names(get):
            found = []
            for path in get():
                found.append(os.path.basename(path))
            found.sort(key=str.lower)
            found.insert(0, "none")
            return found
    """
    facts = read(tmp_path, node(choices, before))
    assert places(tmp_path, facts, only(facts)) == ("models/Else", ["models/Else"])


@pytest.mark.parametrize(
    "choices",
    [
        "[os.path.splitext(f)[0] for f in os.listdir(M + '/Else')]",
        "glob.glob(M + '/Else/*')",
        "os.listdir(folder_paths.get_input_directory())",
        "os.listdir('/etc')",
        "os.listdir(M)",
        "[f[:-3] for f in folder_paths.get_filename_list('loras')]",
        "[f.split('.')[0] for f in folder_paths.get_filename_list('loras')]",
        "[Path(f).stem for f in folder_paths.get_filename_list('loras')]",
        "[n + '!' for n in folder_paths.get_filename_list('loras')]",
        "[f.replace('.json', '') for f in os.listdir(M + '/Else') if '.json' in f]",
        "[f.replace('.pt', '') for f in folder_paths.get_filename_list('loras')]",
    ],
)
def test_what_is_no_name_inside_a_model_folder_is_not_claimed(choices: str, tmp_path: Path) -> None:
    facts = read(tmp_path, node(choices))
    assert all(e.folder is None for one in facts.loaders.values() for e in one.inputs.values())


def test_the_directories_of_a_key_or_else_a_folder(tmp_path: Path) -> None:
    before = """
        def files(key, endings=['.safetensors']):
            try:
                places = folder_paths.get_folder_paths(key)
            except:
                places = []
            if not places:
                places = [os.path.join(p, key) for p in (M, folder_paths.base_path)]
            kept = []
            for x in places:
                if not os.path.isdir(x):
                    continue
                kept.append(x)
            found = {}
            for x in kept:
                names, _ = folder_paths.recursive_search(x, excluded_dir_names=[".git"])
                for f in folder_paths.filter_files_extensions(names, endings):
                    found[f] = x
            return found
    """
    facts = read(tmp_path, node("[f for f in files('repair')]", before))
    assert places(tmp_path, facts, only(facts)) == ("models/repair", ["models/repair"])


def test_a_prefix_leads_to_another_folder(tmp_path: Path) -> None:
    before = """
        for kind in ("box", "mask"):
            place = os.path.join(M, "yolo", kind)
            folder_paths.add_model_folder_path("yolo_" + kind, place)
        boxes = ["box/" + x for x in folder_paths.get_filename_list("yolo_box")]
        masks = [f"mask/{x}" for x in folder_paths.get_filename_list("yolo_mask")]
    """
    facts = read(tmp_path, node("boxes + masks", before))
    entry = only(facts)
    assert entry.prefixed == {"box/": "yolo_box", "mask/": "yolo_mask"}
    assert places(tmp_path, facts, entry)[0] == "models/yolo"


def test_names_below_all_models_are_told_by_their_folder(tmp_path: Path) -> None:
    choices = "[str(p.relative_to(M)) for p in Path(M, 'Else').rglob('*')]"
    entry = only(read(tmp_path, node(choices)))
    assert (entry.folder, entry.prefixed) == (None, {"Else/": "Else"})
    choices = "[os.path.relpath(p, M) for p in glob.glob(M + '/Else/*')]"
    assert only(read(tmp_path / "b", node(choices))) == entry


# -- endings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "endings"),
    [
        ("", CORE),
        ("folder_paths.supported_pt_extensions.add('.gguf')", CORE | {".gguf"}),
        ("R['loras'][1].update({'.onnx', '.GGUF'})", CORE | {".gguf", ".onnx"}),
        ("R['style_models'] = (R['style_models'][0], {'.patch'})", {".patch"}),
        (
            "a, b = R['style_models']\nR['style_models'] = (a, b | {'.patch'})",
            CORE | {".patch"},
        ),
    ],
    ids=range(5),
)
def test_an_input_lists_the_endings_of_its_key(
    before: str, endings: set[str], tmp_path: Path
) -> None:
    assert only(read(tmp_path, node(before=before))).endings == tuple(sorted(endings))


@pytest.mark.parametrize(
    ("before", "endings"),
    [
        ("", ()),  # a new key takes any
        ("R['mine'][1].update({'.patch'})", (".patch",)),
        ("R['mine'] = (R['mine'][0], {'.engine'})", (".engine",)),
        (
            "R['mine'] = (R['mine'][0], folder_paths.supported_pt_extensions)",
            tuple(sorted(CORE)),
        ),
    ],
)
def test_a_packs_own_key_lists_what_was_registered(
    before: str, endings: tuple[str, ...], tmp_path: Path
) -> None:
    key = "folder_paths.add_model_folder_path('mine', M + '/mine')\n"
    entry = only(read(tmp_path, node("folder_paths.get_filename_list('mine')", key + before)))
    assert (entry.folder, entry.endings) == ("mine", endings)


# -- conditions ------------------------------------------------------------------------------

LISTED = "folder_paths.get_filename_list('style_models')"
PT = (".pt",)
TWO = (".pth", ".onnx")


def loop(condition: str, then: str = "found.append(f)") -> str:
    return f"""
        def choose(folder='style_models', ends=['.pt']):
            found = []
            for f in folder_paths.get_filename_list(folder):
                {condition}
                    {then}
            return found
    """


@pytest.mark.parametrize(
    ("choices", "before", "endings"),
    [
        (f"[f for f in {LISTED} if f.endswith('.pt')]", "", PT),
        (f"sorted(f for f in {LISTED} if f.lower().endswith(('.PT',)))", "", PT),
        (f"[f for f in {LISTED} if 'x' in f and Path(f).suffix == '.pt']", "", PT),
        (f"[f for f in {LISTED} if os.path.splitext(f)[1].lower() in ENDS]", "ENDS = ['.pt']", PT),
        (f"[f for f in {LISTED} if any(f.endswith(e) for e in ENDS)]", "ENDS = {'.pt'}", PT),
        (f"[f for f in {LISTED} if fits(f)]", "def fits(n):\n    return n.endswith('.pt')", PT),
        (
            "[os.path.basename(f) for f in glob.glob(os.path.join(M, 'style_models/*'))"
            " if (f.endswith('.pth') or f.endswith('.onnx'))]",
            "",
            TWO,
        ),
        ("[os.path.basename(f) for f in glob.glob(M + '/style_models/*.pt')]", "", PT),
        ("[f.name for f in (Path(M) / 'style_models').rglob('*.pt')]", "", PT),
        (f"[f for f in {LISTED} if '.ckpt' in f]", "", (".ckpt",)),
        (f"[f for f in {LISTED} if '.pt' in f.lower()]", "", (".pt", ".pt2", ".pth")),
        (
            "[f.replace(chr(92), '/') for f in os.listdir(M + '/style_models') if '.pt2' in f]",
            "",
            (".pt2",),
        ),
        (
            "[f.replace('\\\\', '/') for f in os.listdir(M + '/style_models') if '.pt2' in f]",
            "",
            (".pt2",),
        ),
        ("choose()", loop("if f.endswith('.pt'):"), PT),
        ("choose()", loop("if any(f.endswith(e) for e in ends):"), PT),
    ],
)
def test_what_a_condition_leaves_is_all_that_is_listed(
    tmp_path: Path, choices: str, before: str, endings: tuple[str, ...]
) -> None:
    entry = only(read(tmp_path, node(choices, before)))
    assert (entry.folder, entry.endings) == ("style_models", endings)


@pytest.mark.parametrize(
    ("choices", "before"),
    [
        (f"[f for f in {LISTED} if not f.endswith('.pt')]", ""),
        (f"[f for f in {LISTED} if 'sub' in f or f.endswith('.pt')]", ""),
        (f"[f for f in {LISTED} if f[0].endswith('.pt')]", ""),
        (f"[f for f in {LISTED} if f.endswith(os.sep)]", ""),
        (f"[f for f in {LISTED} if f.endswith('.pt')] + {LISTED}", ""),
        (f"[f for f in {LISTED} if f.startswith('.pt')]", ""),
        (f"[f if f.endswith('.pt') else f for f in {LISTED}]", ""),
        ("choose()", loop("if not f.endswith('.pt'):", "found.append(f)")),
    ],
)
def test_a_condition_of_another_kind_leaves_all(tmp_path: Path, choices: str, before: str) -> None:
    entry = only(read(tmp_path, node(choices, before)))
    assert entry.folder == "style_models"
    assert frozenset(entry.endings) == CORE


def test_the_rest_of_a_loop_has_what_was_not_passed_over(tmp_path: Path) -> None:
    before = """
        def choose():
            found = []
            for f in folder_paths.get_filename_list('style_models'):
                if not f.endswith('.pt'):
                    continue
                found.append(f)
            return found
    """
    assert only(read(tmp_path, node("choose()", before))).endings == PT


def test_of_two_packs_that_name_a_class_alike_each_lists_what_it_lists(tmp_path: Path) -> None:
    other = tmp_path / "custom_nodes" / "b-pack"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text(node(f"[f for f in {LISTED} if f.endswith('.bin')]"))
    entry = only(read(tmp_path, node(f"[f for f in {LISTED} if f.endswith('.pt')]")))
    assert set(entry.endings) == {".pt", ".bin"}
