"""Qwen's opinion on what was downloaded: it may warn; nothing that it says changes a verdict."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub
from comfyfix.records import Reason, because
from comfyfix.screen import words
from comfyfix.screen.words import fixed, t
from comfyfix.why import Why
from tests.inside.test_qwen_cli import RESULT, Fake
from tests.rig import Site

LORA = ("loras", "harbor_light.safetensors")
KEY = "/".join(LORA)
UPSCALER = ("upscale_models", "rife49.pth")


@pytest.fixture
def asked(site: Site, hub: Hub) -> Site:
    """A site with two missing models, that asks Qwen for its opinion."""
    with_opinion(site, hub)
    site.workflow("w.json", LORA, UPSCALER)
    hub.add("maker/harbor_light", []).files[LORA[1]] = lora_of("sd_xl")
    hub.add("AlexWortega/RIFE", [UPSCALER[1]])
    return site


def with_opinion(site: Site, hub: Hub, **qwen: Any) -> None:
    settings = {"base_url": f"{hub.url}/v1", "seconds": 20, **qwen}
    site.manifest(qwen=settings, search={"sources": ["huggingface"]})


@pytest.mark.parametrize("setting", ["auto", True, False])
def test_who_has_an_endpoint_gets_opinions_unless_they_are_not_wanted(
    asked: Site, hub: Hub, setting: bool | str
) -> None:
    asked.manifest(
        verify={"qwen": setting},
        qwen={"base_url": f"{hub.url}/v1"},
        search={"sources": ["huggingface"]},
    )
    assert asked.doit().returncode == 0
    assert len(hub.chats.asked) == (0 if setting is False else 1)


def test_without_an_endpoint_there_is_no_opinion_and_no_complaint(site: Site, hub: Hub) -> None:
    site.workflow("w.json", LORA)
    hub.add("maker/harbor_light", []).files[LORA[1]] = lora_of("sd_xl")
    site.manifest(search={"sources": ["huggingface"]})
    assert site.doit().returncode == 0
    assert hub.chats.asked == []


def lora_of(base: str) -> bytes:
    metadata = {"ss_base_model_version": base, "ss_tag_frequency": "a private caption"}
    tensor = {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}
    text = json.dumps({"__metadata__": metadata, "unet.lora_up.weight": tensor}).encode()
    return struct.pack("<Q", len(text)) + text + b"1234"


def says(hub: Hub, *files: dict[str, Any]) -> None:
    hub.chats.scripts["batch 001"] = [{"content": json.dumps({"files": list(files)})}]


def log(site: Site) -> str:
    """The newest log of a run."""
    return max((site.output / "log").glob("run_*.log")).read_text()


def doubts(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if t("Qwen doubts") in line]


def verified(count: int) -> str:
    return fixed("✓ Verified: {count} models", count=count)


def batch(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = site.state("verified/batch_001.json")
    return found


def test_one_question_tells_what_is_known_of_each_file(asked: Site, hub: Hub) -> None:
    done = asked.doit(QWEN_API_KEY="qwen_canary", HF_TOKEN="hf_canary")
    assert done.returncode == 0, done.stdout
    assert not doubts(done.stdout)
    (question,) = hub.chats.asked
    told = question["messages"][-1]["content"]
    files = {file["file"]: file for file in json.loads(told[told.index("{") :])["files"]}
    lora = files[KEY]
    assert lora["loaded_by"] == [{"node": "LoraLoaderModelOnly", "input": "lora_name"}]
    assert (lora["folder"], lora["bytes"]) == ("loras", len(lora_of("sd_xl")))
    assert lora["came_from"] == "huggingface: maker/harbor_light"
    assert lora["header"]["some_tensors"] == ["unet.lora_up.weight"]
    assert lora["header"]["metadata"] == {"ss_base_model_version": "sd_xl"}
    assert "ss_tag_frequency" in lora["header"]["metadata_keys"]
    assert "a private caption" not in told
    assert files["upscale_models/rife49.pth"]["header"] == {}
    history = (asked.output / "log" / "qwen_search_history.log").read_text()
    assert "opinion on batch 001" in history
    assert "as its name says" in history
    assert "canary" not in history
    opinions = {file["filename"]: file["opinion"] for file in batch(asked)["verified"]}
    assert opinions[LORA[1]] == {"fits": True, "reason": "as its name says"}
    assert asked.doit().returncode == 0
    assert len(hub.chats.asked) == 1, "what is settled is not asked again"


def test_a_doubt_is_a_warning_and_the_file_stays_ok(asked: Site, hub: Hub) -> None:
    says(hub, {"file": KEY, "fits": False, "reason": "made for SD 1.5\x1b[2J\nnot \u202e XL" * 20})
    done = asked.doit()
    assert done.returncode == 0
    (line,) = doubts(done.stdout)
    assert line.startswith(
        t("  ! Qwen doubts {name}: {why}", name=LORA[1], why="made for SD 1.5\x1b[2J not \u202e")
    )
    assert len(line) < 300
    assert verified(2) in done.stdout
    by_name = {file["filename"]: file for file in batch(asked)["verified"]}
    assert by_name[LORA[1]]["status"] == "ok"
    assert by_name[LORA[1]]["opinion"]["fits"] is False
    assert set(by_name[UPSCALER[1]]) == {
        "filename", "path", "exists", "size_mb", "sha256", "status",
    }  # fmt: skip
    assert asked.pending() == []


def test_what_is_wrong_stays_wrong_whatever_qwen_says(asked: Site, hub: Hub) -> None:
    hub.faults.append(Fault("file */harbor_light.safetensors", "flip"))
    says(
        hub,
        {"file": KEY, "fits": True, "reason": "it is fine, trust me"},
        {"file": "upscale_models/rife49.pth", "fits": False, "reason": "no"},
    )
    done = asked.doit()
    assert done.returncode == 1
    assert not doubts(done.stdout)
    assert words.sentence(because(Why.OPINION_UNASKED, file=KEY)) in log(asked)
    (failed,) = batch(asked)["failed"]
    assert (failed["filename"], failed["status"]) == (LORA[1], "missing")
    assert "opinion" not in failed
    (good,) = batch(asked)["verified"]
    assert "opinion" not in good
    assert KEY not in hub.chats.asked[0]["messages"][-1]["content"]


ONE = {"file": KEY, "fits": False, "reason": "no"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I think that all of them fit.", because(Why.QWEN_NOT_JSON)),
        (
            json.dumps({"files": [{**ONE, "file": "../x\x1b"}]}),
            because(Why.OPINION_UNASKED, file="../x\x1b"),
        ),
    ],
    ids=["prose", "unasked"],
)
def test_an_answer_of_no_use_changes_nothing(
    asked: Site, hub: Hub, text: str, reason: Reason
) -> None:
    hub.chats.scripts["batch 001"] = [{"content": text}]
    done = asked.doit()
    unchanged(asked, done.returncode, done.stdout, words.sentence(reason))


@pytest.mark.parametrize("kind", ["500", "html", "drip"])
def test_an_endpoint_that_fails_changes_nothing(asked: Site, hub: Hub, kind: str) -> None:
    with_opinion(asked, hub, seconds=2)
    hub.faults.append(Fault("qwen batch*", kind))
    done = asked.doit()
    unchanged(asked, done.returncode, done.stdout, hub.url[7:])


def test_over_its_budget_it_is_not_asked(asked: Site, hub: Hub) -> None:
    with_opinion(asked, hub, tokens=100)
    done = asked.doit()
    end = because(Why.QWEN_BUDGET_OF_TOKENS, tokens=100)
    unchanged(asked, done.returncode, done.stdout, words.sentence(end))
    assert hub.chats.asked == []


def unchanged(site: Site, code: int, printed: str, why: str) -> None:
    assert code == 0, printed
    assert "Qwen" not in printed
    assert verified(2) in printed
    begin = t("Qwen has no opinion on batch {batch}: {why}", batch="001", why="")
    (line,) = [line for line in log(site).splitlines() if begin in line]
    assert why in line
    assert all("opinion" not in file for file in batch(site)["verified"])


def test_the_qwen_program_may_be_asked_instead(asked: Site, hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "program"
    folder.mkdir()
    fake = Fake(folder)
    fake.says([{**RESULT, "structured_result": {"files": [ONE]}}])
    with_opinion(asked, hub, command=str(fake.path))
    done = asked.doit()
    assert done.returncode == 0
    assert doubts(done.stdout) == [t("  ! Qwen doubts {name}: {why}", name=LORA[1], why="no")]
    options = fake.seen["args"]
    assert '"fits"' in options[options.index("--json-schema") + 1]
    assert KEY in options[0]


def test_without_an_endpoint_the_manifest_is_refused(site: Site) -> None:
    site.workflow("w.json", LORA)
    site.put(*LORA, file_for(LORA[1]))
    site.manifest(verify={"qwen": True})
    done = site.doit()
    assert done.returncode == 3
    assert "verify.qwen" in done.stderr
    assert "qwen.base_url" in done.stderr
