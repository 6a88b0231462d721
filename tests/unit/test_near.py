"""Near misses: what is nearly the name of an absent model, and what must never be called so."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.comfyui.store import folders, spelling
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.index import StoreIndex
from comfyfix.records import Model
from comfyfix.stages.values.near import NearMiss, near_misses
from comfyfix.why import Why


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def put(models: Path, *names: str) -> Folders:
    for name in names:
        path = models / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folders.read(models.parent, [], None)


def near(found: Folders, name: str) -> tuple[NearMiss, ...]:
    folder, _, path = name.partition("/")
    return near_misses(StoreIndex(found.roots()), found, Model(folder=folder, path=path))


@pytest.mark.parametrize(
    ("wanted", "there", "kind"),
    [
        ("loras/Detail.safetensors", "loras/detail.safetensors", Why.NEAR_CASE),
        ("loras/SDXL/detail.pt", "loras/sdxl/detail.pt", Why.NEAR_CASE),
        ("loras/detail.safetensors", "loras/SDXL/detail.safetensors", Why.NEAR_SUBFOLDER),
        ("loras/SD15/detail.safetensors", "loras/SDXL/detail.safetensors", Why.NEAR_SUBFOLDERS),
        ("loras/detail.safetensors", "loras/a/b/c/Detail.safetensors", Why.NEAR_SUBFOLDER),
        ("loras/a-b_c.safetensors", "loras/a_b-c.safetensors", Why.NEAR_SEPARATOR),
        ("loras/more details.pt", "loras/more_details.pt", Why.NEAR_SEPARATOR),
        ("checkpoints/v1-5-pruned.ckpt", "checkpoints/v1.5-pruned.ckpt", Why.NEAR_SEPARATOR),
        ("checkpoints/dream.ckpt", "checkpoints/dream.safetensors", Why.NEAR_ENDING),
        ("checkpoints/dream.safetensors", "checkpoints/Dream.ckpt", Why.NEAR_ENDING),
        ("loras/add_detail.pt", "loras/add_detal.pt", Why.NEAR_LETTER),
        ("loras/harbour_light.pt", "loras/harbor_light.pt", Why.NEAR_LETTER),
        ("loras/juggernaut_v9.pt", "loras/jugernaut_v9.pt", Why.NEAR_LETTER),
        ("loras/add_details.pt", "loras/add_detail.pt", Why.NEAR_LETTER),
        ("unet/flux-distilled.pt", "diffusion_models/flux-destilled.pt", Why.NEAR_LETTER),
        ("loras/model_of_mine.pt", "loras/x/model_of_mine.pt", Why.NEAR_SUBFOLDER),
        ("vae/soft_vae.pt", "checkpoints/soft_vae.pt", Why.NEAR_FOLDER),
        ("vae/soft_vae.pt", "checkpoints/x/Soft_VAE.pt", Why.NEAR_FOLDER),
    ],
)
def test_what_is_nearly_it_is_told(wanted: str, there: str, kind: Why, models: Path) -> None:
    (found,) = near(put(models, there, "loras/other.pt"), wanted)
    assert found.kind == kind
    assert found.path == str(models / there)
    assert found.shown.partition("/")[2] == there.partition("/")[2]


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        ("loras/model_00001-of-00002.pt", "loras/model_00002-of-00002.pt"),
        ("loras/style_v1.safetensors", "loras/style_v2.safetensors"),
        ("loras/v1.safetensors", "loras/v2.safetensors"),
        ("unet/wonderful_fp8.pt", "unet/wonderful_fp16.pt"),
        ("unet/wonderful5.pt", "unet/wonderful.pt"),
        ("unet/wonderful_5.pt", "unet/wonderful_15.pt"),
        ("unet/wan2.2_i2v_high_noise.pt", "unet/wan2.2_t2v_high_noise.pt"),
        ("text_encoders/clip_l.pt", "text_encoders/clip_g.pt"),
        ("text_encoders/t5xl.pt", "text_encoders/t5xxl.pt"),
        ("checkpoints/juggernautX.pt", "checkpoints/juggernautXL.pt"),
        ("unet/depth_anything_vitl.pt", "unet/depth_anything_vits.pt"),
        ("unet/depthanythingvitl.pt", "unet/depthanythingvits.pt"),
        ("unet/wonderful_q4_k_m.gguf", "unet/wonderful_q4_k_s.gguf"),
        ("loras/nsfw.pt", "loras/sfw.pt"),
        ("loras/night.pt", "loras/light.pt"),
        ("loras/portrait_a.pt", "loras/portrait_b.pt"),
        ("loras/portrait_a.pt", "loras/portrait.pt"),
        ("loras/add_detail.pt", "vae/add_detal.pt"),  # one letter off in another folder is noise
        ("loras/add_detail.pt", "loras/add_detal.safetensors"),
        ("loras/add_detail.pt", "loras/add_detai_l.pt"),
        ("unet/wonderful.gguf", "unet/wonderful.safetensors"),  # no node of one loads the other
        ("vae/model.safetensors", "text_encoders/model.safetensors"),
        ("vae/a/diffusion_pytorch_model.fp16.bin", "vae/b/diffusion_pytorch_model.fp16.bin"),
        ("loras/detail.pt", "loras/detail.pt.part"),
        ("loras/detail.pt", "loras/SDXL/detail.pt.damaged"),
        ("loras/detail.pt", "loras/.hidden/detail.pt"),
        ("loras/detail.pt", "loras/detail.txt"),
        ("loras/detail.pt", "loras/detail"),
        ("configs/V1.ckpt", "configs/v1.ckpt"),  # no node lists it there
        ("loras/détail.pt", "loras/rétail.pt"),
    ],
)
def test_what_is_another_model_is_not(wanted: str, there: str, models: Path) -> None:
    assert near(put(models, there), wanted) == ()


def test_the_nearest_come_first_and_three_at_most(models: Path) -> None:
    there = ["vae/detail.pt", "loras/z/detail.pt", "loras/DETAIL.pt", "loras/detail.ckpt"]
    found = near(put(models, *there), "loras/detail.pt")
    assert [n.kind for n in found] == [Why.NEAR_CASE, Why.NEAR_SUBFOLDER, Why.NEAR_ENDING]
    assert found[0].shown == "loras/DETAIL.pt"


def test_the_same_name_in_two_subfolders_may_be_two_models(models: Path) -> None:
    found = put(models, "loras/SDXL/detail.pt")
    assert near(found, "loras/detail.pt")[0].kind is Why.NEAR_SUBFOLDER
    assert near(found, "loras/SD15/detail.pt")[0].kind is Why.NEAR_SUBFOLDERS


def test_a_folder_that_is_reached_by_a_link_is_the_nodes_own(models: Path) -> None:
    elsewhere = models.parent / "disk"
    elsewhere.mkdir()
    (elsewhere / "Detail.pt").write_bytes(b"x")
    (models / "loras").symlink_to(elsewhere)
    (models.parent / "extra_model_paths.yaml").write_text("a: {vae: disk}")
    (found,) = near(put(models), "loras/detail.pt")
    assert (found.kind, found.shown) == (Why.NEAR_CASE, "loras/Detail.pt")


def test_without_a_folder_nothing_is_near(models: Path) -> None:
    found = put(models, "loras/detail.pt")
    model = Model(folder=None, path="Detail.pt")
    assert near_misses(StoreIndex(found.roots()), found, model) == ()


LETTERS = "abz"
WORDS = st.text(LETTERS, min_size=4, max_size=8)
STEMS = st.lists(WORDS | st.sampled_from(["1", "15", "v2"]), min_size=1, max_size=3).map("_".join)


@given(STEMS, st.data())
def test_the_keys_of_two_stems_one_letter_off_meet(stem: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(stem) - 1))
    kept = data.draw(st.sampled_from([0, 1]))
    other = stem[:place] + data.draw(st.sampled_from(["", *LETTERS])) + stem[place + kept :]
    if spelling.one_letter_off(stem, other):
        assert spelling.one_letter_off(other, stem)
        assert set(spelling.near_slots(stem)) & set(spelling.slots(other))
        assert sum(c.isdigit() for c in stem) == sum(c.isdigit() for c in other)


def distance(a: str, b: str) -> int:
    """The edit distance, by its definition."""
    rows = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, rows[0] = rows[0], i
        for j, y in enumerate(b, 1):
            before, rows[j] = rows[j], min(rows[j] + 1, rows[j - 1] + 1, before + (x != y))
    return rows[-1]


def test_one_letter_off_is_an_edit_distance_of_one() -> None:
    stems = ["".join(word) for n in (6, 7) for word in itertools.product("ab", repeat=n)]
    for a, b in itertools.combinations(stems, 2):
        assert spelling.one_letter_off(a, b) is (distance(a, b) == 1 and a[0] == b[0])
