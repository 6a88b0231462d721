"""Gated repositories: who may not have a file yet is told why, what helps, and how large it is."""

from __future__ import annotations

import json
import re

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.errors import ModelProblem
from comfyfix.net.answer import Answer
from comfyfix.outcomes import Outcome
from comfyfix.providers.huggingface.gates import gate
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.words import fixed, t
from comfyfix.why import Why
from tests.rig import Site

REPO = "maker/harbor_light"
NAMES = ("harbor_light.safetensors", "harbor_light_small.safetensors")
WHO = {  # who asks: variables, what the gate says to that token, exit code of a script
    "nobody": ({}, Outcome.TOKEN_NEEDED, Why.HUB_TOKEN_NEEDED, 10),
    "unasked": ({"HF_TOKEN": "hf_unasked"}, Outcome.LICENCE_NEEDED, Why.HUB_LICENCE_NEEDED, 11),
    "pending": ({"HF_TOKEN": "hf_pending"}, Outcome.ACCESS_PENDING, Why.HUB_REQUEST_PENDING, 11),
    "rejected": ({"HF_TOKEN": "hf_rejected"}, Outcome.NOT_PERMITTED, Why.HUB_REQUEST_REJECTED, 11),
    "scope": ({"HF_TOKEN": "hf_scope"}, Outcome.TOKEN_NEEDED, Why.HUB_SCOPE_MISSING, 10),
}


@pytest.fixture
def gated(site: Site, hub: Hub) -> Site:
    hub.add(REPO, NAMES, gated=True)
    hub.gates = {f"hf_{who}": who for who in ("pending", "rejected", "scope")}
    site.workflow("w.json", *(("loras", name) for name in NAMES))
    return site


@pytest.mark.parametrize("who", WHO)
def test_each_gate_is_told_apart_with_both_pages_and_the_bytes(
    gated: Site, hub: Hub, who: str
) -> None:
    variables, outcome, why, _ = WHO[who]
    plan = json.loads(gated.doit("plan", "--json", **variables).stdout)
    page, tokens = f"{hub.url}/{REPO}", f"{hub.url}/settings/tokens"
    told = words.worded(because(why, repo=REPO, page=page, tokens=tokens))
    sizes = {name: len(file_for(name)) for name in NAMES}
    assert {row["model"]: row["size"] for row in plan["models"]} == sizes
    assert (plan["gated_bytes"], plan["total_bytes"]) == (sum(sizes.values()), 0)
    for row in plan["models"]:
        assert (row["outcome"], row["problem"]) == (outcome, told.what)
        assert (row["where"], row["gated"]) == (REPO, True)
        assert page in row["next_step"]
        assert tokens in row["next_step"]
    done = gated.doit(**variables)
    assert done.returncode == 1
    _, _, below = done.stdout.partition(f"\n{t('Access needed first:')}\n")
    first, names, step, *rest = below.splitlines()
    assert first.startswith(f"  {t('{count:models}', count=len(NAMES))}: {told.what}")
    assert names == f"    {', '.join(f'loras/{name}' for name in sorted(NAMES))}"
    assert step == f"    {t('Next:')} {told.next_step}", "what helps both is told once"
    assert fixed("Models not found:") not in "\n".join(rest)


@pytest.mark.soak
@pytest.mark.parametrize("who", WHO)
def test_a_script_tells_them_apart_too(gated: Site, hub: Hub, who: str) -> None:
    hub.repositories[REPO].gated = False
    assert gated.doit("plan").returncode == 0
    hub.repositories[REPO].gated = True
    variables, outcome, _, code = WHO[who]
    done = gated.doit(**variables)
    assert done.returncode == 1
    tries = gated.state("ledger.json")["models"]
    ended = {entry["attempts"][-1]["outcome"] for entry in tries.values()}
    assert ended == {outcome}
    assert t("Access needed first:") in done.stdout
    script = next(gated.output.glob("download_001_*.sh"))
    by_hand = gated.script(script, **variables)
    assert by_hand.returncode == code
    assert f"https://huggingface.co/{REPO}" in by_hand.stdout
    told = {gated.script(script, **each[0]).stdout for each in WHO.values()}
    assert len(told) == len(WHO), "two of them are told in the same words"


def test_who_was_rejected_gets_the_same_file_elsewhere(gated: Site, hub: Hub) -> None:
    hub.add("mirror/harbor_light", NAMES, downloads=1)
    assert gated.doit(HF_TOKEN="hf_rejected").returncode == 0


def answer(status: int, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(url="https://hub.example/x", status=status, headers=named, body=b"")


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (answer(200), None),
        (answer(302, x_repo_commit="0" * 40), None),
        (answer(403, x_error_code="GatedRepo"), Why.HUB_LICENCE_NEEDED),
        (answer(403), Why.HUB_LICENCE_NEEDED),
        (answer(403, x_error_message="Your organisation allows no such token."), Why.HUB_NOT_GIVEN),
        (answer(403, x_error_message="Access to this resource is disabled."), Why.HUB_OFFLINE),
        (answer(403, x_error_code="GatedRepo", x_error_message=(
            "Access to model a/is-disabled-has-been-rejected-awaiting-a-review is restricted and "
            "you are not in the authorized list.")), Why.HUB_LICENCE_NEEDED),
        (answer(401, x_error_code="GatedRepo"), Why.HUB_TOKEN_BAD),
        (answer(404, x_error_code="RepoNotFound"), Why.HUB_NO_REPOSITORY),
        (answer(404, x_error_code="EntryNotFound"), Why.HUB_ANSWERS_CODE),
    ],
)  # fmt: skip
def test_an_answer_is_read_by_what_it_says(found: Answer, why: Why | None) -> None:
    told = gate(found, "a/b", "https://huggingface.co")
    reason = told.reason if isinstance(told, ModelProblem) else told
    assert (reason and reason.why) == why


def test_what_an_answer_says_can_not_move_the_screen() -> None:
    said = answer(403, x_error_message="No\x1b[2J" + "x" * 900)
    problem = gate(said, "a/b", "https://huggingface.co")
    assert isinstance(problem, ModelProblem)
    told = words.sentence(problem.reason)
    assert not re.search(r"[\x00-\x1f]", told)
    assert len(told) < 500
