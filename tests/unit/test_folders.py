"""Model folders: where ComfyUI looks, in which order, and where new files go."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyfix.comfyui.store import folders
from comfyfix.comfyui.store.folders import Folders
from comfyfix.errors import SetupProblem
from comfyfix.records import Reason, because
from comfyfix.why import Why


@pytest.fixture
def comfyui(tmp_path: Path) -> Path:
    (tmp_path / "ComfyUI" / "models").mkdir(parents=True)
    return tmp_path / "ComfyUI"


def extra(comfyui: Path, text: str, store: Path | None = None) -> Folders:
    (comfyui / "extra_model_paths.yaml").write_text(text)
    return folders.read(comfyui, [], store)


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def models(found: Folders, key: str) -> tuple[Path, ...]:
    """The directories of a key without those beside ComfyUI's models that its savers write to."""
    output = found.comfyui / "output"
    return tuple(path for path in found.directories(key) if not path.is_relative_to(output))


def hit(found: Folders, key: str, path: str) -> Path | None:
    seen = found.find(key, path)
    return Path(seen[0]) if seen else None


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("clip", ["models/text_encoders", "models/clip", "output/clip"]),
        ("clip_gguf", ["models/text_encoders", "models/clip", "output/clip"]),
        ("unet", ["models/unet", "models/diffusion_models", "output/diffusion_models"]),
        ("loras", ["models/loras", "output/loras"]),
        ("controlnet", ["models/controlnet", "models/t2i_adapter"]),
        ("custom_nodes", ["custom_nodes"]),
        ("a_key_of_a_node_pack", ["models/a_key_of_a_node_pack"]),
    ],
)
def test_directories_are_searched_in_the_order_of_comfyui(
    key: str, names: list[str], comfyui: Path
) -> None:
    found = folders.read(comfyui, [], None)
    assert found.directories(key) == tuple(comfyui / name for name in names)


def test_the_first_hit_wins_and_a_later_directory_is_searched_too(comfyui: Path) -> None:
    found = folders.read(comfyui, [], None)
    late = put(comfyui / "models/clip/sub/t5.safetensors")
    assert hit(found, "text_encoders", "sub/t5.safetensors") == late
    first = put(comfyui / "models/text_encoders/sub/t5.safetensors")
    assert hit(found, "clip", "sub/t5.safetensors") == first
    assert hit(found, "text_encoders", "t5.safetensors") is None
    assert hit(found, "vae", "sub/t5.safetensors") is None


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("unet", "diffusion_models/a/x.gguf"),
        ("clip", "text_encoders/a/x.gguf"),
    ],
)
def test_new_files_go_to_the_directory_of_today(key: str, place: str, comfyui: Path) -> None:
    found = folders.read(comfyui, [], None)
    assert found.destination(key, "a/x.gguf") == found.store / place
    assert found.store == comfyui / "models"


def test_base_path_is_relative_to_the_file_and_paths_are_normalised(comfyui: Path) -> None:
    text = "a:\n  base_path: ../shared\n  loras: x/../lora\n  unet: u\n  vae: /abs/vae\n"
    found = extra(comfyui, f"{text}b: {{gligen: g}}")
    assert models(found, "gligen")[1:] == (comfyui / "g",)
    assert models(found, "loras")[1:] == (comfyui.parent / "shared/lora",)
    assert models(found, "diffusion_models")[2:] == (comfyui.parent / "shared/u",)
    assert models(found, "vae")[1:] == (Path("/abs/vae"),)


def test_base_path_takes_the_home_and_variables(
    comfyui: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_DISK", "/mnt/disk")
    text = "a: {base_path: ~/m, loras: l}\nb: {base_path: $MY_DISK/m, loras: l}\n"
    extra(comfyui, "a: {base_path: ~nobody-at-all/m, loras: l}")  # no such user, and no crash
    told = extra(comfyui, text + "c: {base_path: '${MY_DISK}', loras: '~/l'}")
    assert models(told, "loras")[1:] == (
        Path.home() / "m/l",
        Path("/mnt/disk/m/l"),
        Path("/mnt/disk/~/l"),
    )
    monkeypatch.setenv("ODD", "~/m")
    odd = extra(comfyui, "a: {base_path: $ODD, loras: l}")
    assert models(odd, "loras")[1:] == (comfyui / "~/m/l",)


def test_every_line_of_a_value_is_a_directory_also_of_an_unknown_key(comfyui: Path) -> None:
    found = extra(comfyui, "a:\n  base_path: /b\n  clip: |\n    one\n\n    two\n")
    assert models(found, "text_encoders")[2:] == (Path("/b/one"), Path("/b/two"))
    unknown = extra(comfyui, "a: {base_path: /b, my_models: m}").directories("my_models")
    assert unknown == (Path("/b/m"),)


def test_null_sections_and_an_empty_file_change_nothing(comfyui: Path) -> None:
    plain = folders.read(comfyui, [], None)
    assert extra(comfyui, "") == plain
    assert extra(comfyui, "a:\nb: {loras: }\n") == plain


def test_a_default_comes_first_and_is_written_to(comfyui: Path) -> None:
    found = extra(comfyui, "a: {base_path: /b, is_default: true, loras: l}\nc: {loras: /m}")
    own = comfyui / "models/loras"
    assert models(found, "loras") == (Path("/b/l"), own, Path("/m"))
    assert found.destination("loras", "x.pth") == Path("/b/l/x.pth")
    assert found.destination("vae", "x.pth") == comfyui / "models/vae/x.pth"


def test_several_defaults_end_up_reversed_and_a_known_one_moves_up(comfyui: Path) -> None:
    text = "a: {is_default: true, loras: /1}\nb: {is_default: true, loras: /2}\n"
    own = comfyui / "models/loras"
    found = extra(comfyui, text)
    assert models(found, "loras") == (Path("/2"), Path("/1"), own)
    assert found.destination("loras", "x") == Path("/2/x")
    found = extra(comfyui, f"{text}c: {{is_default: true, loras: {own}}}\nd: {{loras: /1}}")
    assert models(found, "loras") == (own, Path("/2"), Path("/1"))


def test_further_files_are_read_after_comfyuis_own(comfyui: Path, tmp_path: Path) -> None:
    (comfyui / "extra_model_paths.yaml").write_text("a: {loras: /1}")
    (tmp_path / "more.yaml").write_text("a: {loras: two}")
    found = folders.read(comfyui, [tmp_path / "more.yaml"], None)
    assert models(found, "loras")[1:] == (Path("/1"), tmp_path / "two")
    own = {path for path in found.roots() if not path.is_relative_to(comfyui / "output")}
    assert own == {Path("/1"), comfyui / "models", tmp_path / "two"}


def test_what_holds_no_models_is_no_root(comfyui: Path) -> None:
    found = extra(comfyui, "a: {custom_nodes: /nodes, fonts: /fonts, default_clip_vision: /dcv}")
    assert found.directories("custom_nodes") == (comfyui / "custom_nodes", Path("/nodes"))
    assert {Path("/nodes"), Path("/fonts")}.isdisjoint(found.roots())
    assert found.directories("default_clip_vision") == (Path("/dcv"),)  # a key like any other


@pytest.mark.parametrize(
    ("text", "line", "key", "why"),
    [
        ("- a", 1, "", Why.SECTIONS_MISSING),
        ("a: {loras: l}\nb: text", 2, "b", Why.SECTION_NO_MAPPING),
        ("a: &x\n  vae: [y]\nb:\n  <<: *x\n  loras: z", 2, "a.vae", Why.SECTION_PATHS),
        ("a: &x {loras: l}\nb:\n  <<: *x\n  vae: 5", 4, "b.vae", Why.SECTION_PATHS),
        ("a:\n  loras: l\na:\n  vae: 5", 4, "a.vae", Why.SECTION_PATHS),
        ("a: {loras: l}\nb:\n  ? [x]\n  : y", 3, "", Why.NOT_YAML),
        ("a: {loras: l}\nb: !!python/name:os.system x", 2, "", Why.NOT_YAML),
        ("a: {loras: l}\nb: *nothing", 2, "", Why.NOT_YAML),
        ("a:\n  loras: x\n  vae: [y]", 3, "a.vae", Why.SECTION_PATHS),
    ],
)
def test_a_broken_file_is_told_with_its_line(
    text: str, line: int, key: str, why: Why, comfyui: Path
) -> None:
    with pytest.raises(SetupProblem) as caught:
        extra(comfyui, text)
    told = caught.value.reason.told
    assert isinstance(told["cause"], Reason)
    assert (told["line"], told["key"], told["cause"].why) == (line, key, why)
    assert str(told["path"]).endswith("extra_model_paths.yaml")


def test_what_yaml_allows_is_taken_as_comfyui_takes_it(comfyui: Path) -> None:
    text = "a: &a\n  base_path: /b\n  loras: x\n  loras: y\n"
    assert models(extra(comfyui, text), "loras")[1:] == (Path("/b/y"),)
    assert models(extra(comfyui, f"{text}a: {{vae: /v}}"), "loras")[1:] == ()
    merged = extra(comfyui, f"{text}c:\n  <<: *a\n  vae: v")
    assert models(merged, "vae")[1:] == (Path("/b/v"),)
    over = extra(comfyui, f"{text}c: {{<<: *a, base_path: /c}}")
    assert models(over, "loras")[1:] == (Path("/b/y"), Path("/c/y"))
    # One mapping under two names: its base path is taken out of it with the first.
    assert models(extra(comfyui, f"{text}c: *a"), "loras")[1:] == (Path("/b/y"), comfyui / "y")


@pytest.mark.parametrize("value", ["{{<<: [{0}, {0}, {0}]}}", "[{0}, {0}, {0}]"])
def test_what_would_grow_without_end_is_refused_at_once(value: str, comfyui: Path) -> None:
    steps = [f"k{n + 1}: &b{n + 1} {value.format(f'*b{n}')}\n" for n in range(40)]
    with pytest.raises(SetupProblem) as caught:
        extra(comfyui, f"k0: &b0 {{x: y}}\n{''.join(steps)}")
    cause = caught.value.reason.told["cause"]
    assert isinstance(cause, Reason)
    assert cause.why == Why.KEYS_MANY


def test_a_file_that_is_not_there_is_told_by_its_own_name(comfyui: Path) -> None:
    with pytest.raises(SetupProblem) as caught:
        folders.read(comfyui, [comfyui / "no.yaml"], None)
    assert caught.value.reason.why == Why.EXTRA_PATHS_ABSENT


def test_a_store_is_searched_last_and_written_to(comfyui: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    found = folders.read(comfyui, [], store)
    assert found.directories("unet")[:3] == folders.read(comfyui, [], None).directories("unet")
    assert models(found, "vae")[1:] == (store / "vae",)
    assert found.destination("unet", "x") == store / "diffusion_models" / "x"
    assert found.destination("node_pack", "x") == store / "node_pack" / "x"
    assert found.store == store
    assert found.searched == frozenset()


def test_in_a_store_the_directory_that_comfyui_was_told_is_written_to(
    comfyui: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    text = f"a: {{base_path: {store}, checkpoints: Stable-diffusion, loras: Lora}}"
    found = extra(comfyui, text, store)
    assert found.destination("loras", "x") == store / "Lora" / "x"
    assert found.destination("vae", "x") == store / "vae" / "x"
    assert found.searched == frozenset({"checkpoints", "loras"})


@pytest.mark.parametrize(
    "path", ["../secret.pt", "../../../secret.pt", "/secret.pt", "a/../../secret.pt"]
)
def test_a_name_can_not_climb_out_of_its_folder(path: str, comfyui: Path) -> None:
    (comfyui / "models/loras/a").mkdir(parents=True)
    put(comfyui / "models/secret.pt")
    put(comfyui.parent / "secret.pt")
    found = folders.read(comfyui, [], None)
    assert hit(found, "loras", path) is None
    inside = put(comfyui / "models/loras/secret.pt")
    assert hit(found, "loras", path) == inside


def test_symlinks_are_followed_and_what_is_no_file_is_not_found(comfyui: Path) -> None:
    loras = comfyui / "models/loras"
    target = put(comfyui.parent / "elsewhere/x.pth")
    (loras / "folder.pth").mkdir(parents=True)
    (loras / "file.pth").symlink_to(target)
    (loras / "linked").symlink_to(target.parent)
    (loras / "dangling.pth").symlink_to("nowhere")
    found = folders.read(comfyui, [], None)
    assert hit(found, "loras", "file.pth") == loras / "file.pth"
    assert hit(found, "loras", "linked/x.pth") == loras / "linked/x.pth"
    absent = ("folder.pth", "dangling.pth", "", "..", "x\0.pth", "a" * 300)
    assert [name for name in absent if hit(found, "loras", name)] == []
    assert found.is_directory("loras", "linked")
    assert not found.is_directory("loras", "file.pth")


def test_a_missing_comfyui_says_what_to_set(comfyui: Path) -> None:
    (comfyui.parent / "other").mkdir()
    absent = {
        comfyui.parent / "no": Why.COMFYUI_ABSENT,
        comfyui.parent / "other": Why.COMFYUI_WITHOUT_MODELS,
    }
    for place, why in absent.items():
        with pytest.raises(SetupProblem) as caught:
            folders.read(place, [], None)
        assert caught.value.reason == because(why, path=place)


@pytest.mark.parametrize("path", ["/etc", "../vae", "a/../../vae", "a" * 300])
def test_a_directory_model_can_not_climb_out_either(path: str, comfyui: Path) -> None:
    for name in ("diffusers/a", "vae"):
        (comfyui / "models" / name).mkdir(parents=True)
    assert not folders.read(comfyui, [], None).is_directory("diffusers", path)
