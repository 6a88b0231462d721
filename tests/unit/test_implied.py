"""Implied: files that follow from a node or its preset."""

from __future__ import annotations

import json

import pytest

from comfyfix.comfyui.references.implied import _table
from tests.inprocess import InProcess
from tests.unit.graphs import Json, found, node, ui

UNIFIED, FACE = "IPAdapterUnifiedLoader", "IPAdapterUnifiedLoaderFaceID"


@pytest.mark.parametrize(
    ("kind", "inputs", "expected"),
    [
        (UNIFIED, {"preset": "FULL FACE - SD1.5 only"}, ["ipadapter/ip-adapter-full-face_sd15"]),
        (UNIFIED, {"preset": "PLUS (high strength)"}, ["ipadapter/ip-adapter-plus_sd15"]),
        (UNIFIED, {"preset": "PLUS FACE (portraits)"}, ["ipadapter/ip-adapter-plus-face_sdxl"]),
        (UNIFIED, {"preset": "VIT-G (medium strength)"}, ["clip_vision/CLIP-ViT-bigG-14"]),
        (FACE, {"preset": "FACEID"}, ["loras/ip-adapter-faceid_sd15_lora", "insightface/models/b"]),
        (FACE, {"preset": "FACEID PLUS V2"}, ["ipadapter/ip-adapter-faceid-plusv2_sd15.bin"]),
        (FACE, {"preset": "FACEID PORTRAIT UNNORM"}, ["ipadapter/ip-adapter-faceid-portrait_sd"]),
        ("InstantIDFaceAnalysis", {"provider": "CPU"}, ["insightface/models/antelopev2"]),
        ("PulidFluxInsightFaceLoader", {}, ["insightface/models/antelopev2"]),
        ("IPAdapterInsightFaceLoader", {"model_name": "antelopev2"}, ["insightface/models/ant"]),
        ("PhotoMakerInsightFaceLoader", {"provider": "CPU"}, ["insightface/models/buffalo_l"]),
        ("FaceAnalysisModels", {"library": "insightface"}, ["insightface/models/buffalo_l"]),
        ("FaceAnalysisModels", {"library": "dlib"}, ["None/shape_predictor_68_face_landmarks.dat"]),
    ],
)
def test_what_a_node_needs_besides_is_told_and_never_counted(
    kind: str, inputs: Json, expected: list[str]
) -> None:
    got = found({"1": {"class_type": kind, "inputs": inputs}})
    told = [f"{r.folder}/{r.path}" for r in got]
    for start in expected:
        assert any(each.startswith(start) for each in told), told
    assert {(r.kind, r.optional, r.listed) for r in got} == {("implied", True, False)}
    values = [*inputs.values()]
    assert [r.path for r in found(ui(node(1, kind, *values)))] == [r.path for r in got]


def test_a_preset_that_no_one_knows_implies_nothing() -> None:
    assert found({"1": {"class_type": UNIFIED, "inputs": {"preset": "NEW"}}}) == []


@pytest.mark.parametrize(
    ("kind", "inputs", "expected"),
    [
        ("NunchakuIPAdapterLoader", {}, "XLabs-AI/flux-ip-adapter-v2"),
        ("OpenposePreprocessor", {"detect_hand": "enable"}, "lllyasviel/Annotators"),
        ("RMBG", {"model": "BEN2"}, "1038lab/BEN2"),
    ],
)
def test_what_its_node_fetches_is_told_as_that(kind: str, inputs: Json, expected: str) -> None:
    got = found({"1": {"class_type": kind, "inputs": inputs}})
    assert {(r.kind, r.optional) for r in got} == {("hub_repo", True)}
    assert got[0].path == expected


def test_every_set_of_the_table_is_used_and_known() -> None:
    used = {
        name for presets in _table().nodes.values() for sets in presets.values() for name in sets
    }
    assert used == set(_table().sets)


def test_a_set_is_there_when_all_of_it_is(inprocess: InProcess) -> None:
    graph = {"1": {"class_type": "PulidInsightFaceLoader", "inputs": {"provider": "CPU"}}}
    (inprocess.workflows / "w.json").write_text(json.dumps(graph))

    def present() -> bool:
        (row,) = json.loads(inprocess.run("scan", "--json").out)["references"]
        return bool(row["present"])

    names = ("1k3d68", "2d106det", "genderage", "glintr100")
    for name in names:
        inprocess.put("insightface", f"models/antelopev2/{name}.onnx", b"x")
    assert not present()
    inprocess.put("insightface", "models/antelopev2/scrfd_10g_bnkps.onnx", b"x")
    assert present()
    assert inprocess.pending() == []


@pytest.mark.parametrize("kind", ["DownloadAndLoadSAM2Model", "DownloadAndLoadAnything"])
def test_nodes_that_download_and_load_need_nothing(kind: str) -> None:
    (got,) = found({"1": {"class_type": kind, "inputs": {"model": "x.safetensors"}}})
    assert (got.optional, got.listed) == (True, False)
