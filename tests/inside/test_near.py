"""Near misses, lookup and links inside the store as a user sees them: real runs of doit."""

from __future__ import annotations

import json
import os

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.words import t
from comfyfix.why import Why
from tests.behaviour.test_screen import ESCAPES, columns, in_terminal
from tests.rig import Site

DETAIL = ("loras", "Detail.safetensors")
NEAR = words.sentence(because(Why.NEAR_CASE, shown="loras/detail.safetensors"))


def test_scan_tells_what_is_nearly_there(site: Site) -> None:
    site.workflow("w.json", DETAIL, ("vae", "soft_vae.safetensors"), ("loras", "alone_v1.pt"))
    site.workflow("v.json", DETAIL)
    site.put("loras", "detail.safetensors")
    site.put("loras", "alone_v2.pt")
    site.put("checkpoints", "soft_vae.safetensors")
    lines = site.doit("scan").stdout.splitlines()
    elsewhere = words.sentence(because(Why.NEAR_FOLDER, shown="checkpoints/soft_vae.safetensors"))
    assert lines == [
        f"v.json: {t('lacks {lacking} of {wanted}', lacking=1, wanted=1)}",
        f"  ✗ {t('absent')}   loras/Detail.safetensors",
        f"      {NEAR}",
        "",
        f"w.json: {t('lacks {lacking} of {wanted}', lacking=3, wanted=3)}",
        f"  ✗ {t('absent')}   loras/Detail.safetensors",
        f"      {NEAR}",
        f"  ✗ {t('absent')}   vae/soft_vae.safetensors",
        f"      {elsewhere}",
        f"  ✗ {t('absent')}   loras/alone_v1.pt",
        "",
        t("{count} workflows: {ready} ready, {lack} lack models", count=2, ready=0, lack=2),
    ]
    keys = {frozenset(row) for row in json.loads(site.doit("scan", "--json").stdout)["references"]}
    assert [len(row) for row in keys] == [12]


def test_a_file_that_no_workflow_lacks_is_not_told(site: Site) -> None:
    path = site.workflow("w.json", DETAIL)
    value = json.loads(path.read_text())
    value["nodes"][0]["mode"] = 4
    path.write_text(json.dumps(value))
    site.put("loras", "detail.safetensors")
    said = site.doit("scan").stdout
    assert f"({t('off')})" in said
    assert t("near:") not in said


def test_list_tells_it_below_the_row_and_names_stay_names(site: Site) -> None:
    site.workflow("w.json", DETAIL, ("vae", "soft_vae.safetensors"))
    site.put("loras", "detail.safetensors")
    site.put("vae", "Soft_VAE.safetensors")
    site.put("vae", "soft_vae.safetensors", b"")  # it is there, and empty: nothing is near
    lines = site.doit("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [t("NO"), "(001)", t("near:"), "(002)"]
    assert lines[2] == f"     {NEAR}"
    assert site.doit("list", "-q").stdout == "download:Detail\ndownload:soft_vae\n"


def test_a_near_miss_fits_the_terminal_and_moves_no_cursor(site: Site) -> None:
    name = f"{'a_rather_long_name_' * 3}of_a_model.safetensors"
    site.workflow("w.json", ("loras", name), DETAIL)
    site.put("loras", f"sub\x1b[2Jfolder/{name}")
    site.put("loras", "detail.safetensors")
    code, written = in_terminal(site, "list")
    lines = ESCAPES.sub("", written).splitlines()
    assert code == 0
    assert max(map(columns, lines)) <= 80
    assert f"     {NEAR}" in lines
    assert "\x1b[2J" not in written
    assert "\x1b[2J" not in site.doit("scan").stdout


def test_what_comfyui_saved_itself_is_there(site: Site) -> None:
    site.workflow("w.json", ("checkpoints", "merged.safetensors"))
    saved = site.comfyui / "output" / "checkpoints" / "merged.safetensors"
    saved.parent.mkdir(parents=True)
    saved.write_bytes(file_for("merged.safetensors"))
    assert f"✓ {t('present')}  checkpoints/merged.safetensors" in site.doit("scan").stdout
    assert site.pending() == []


def test_only_what_has_the_size_is_hashed(site: Site, hub: Hub) -> None:
    name = "harbor_light.safetensors"
    hub.add("maker/harbor_light", [name])
    for other in ("other.safetensors", name):
        huge = site.put("audio_encoders", other, b"")
        os.truncate(
            huge, 1 << 40
        )  # a hole on disk; to hash it would take the better part of an hour
    twin = site.put("checkpoints", "sub/twin.ckpt", file_for(name))
    site.put("checkpoints", "same size.ckpt", bytes(len(file_for(name))))
    site.workflow("w.json", ("loras", name))
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert t("Linked inside the store: {count}", count=1) in done.stdout
    assert (site.models / "loras" / name).samefile(twin)
