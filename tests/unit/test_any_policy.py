"""Any policy there can be in a manifest: it is refused with its place, or holds for any record."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyfix.errors import ModelProblem, SetupProblem
from comfyfix.outcomes import Outcome
from comfyfix.records import Model, Record
from comfyfix.screen import words
from comfyfix.settings import read as manifest_file
from comfyfix.settings.manifest import Policy
from comfyfix.stages.needs.work import Plan
from comfyfix.stages.plan.policy import RunPolicy, broken
from tests.unit.test_any_report import RECORD

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["mit", "MIT", "unknown", "safetensors", ".SafeTensors", "", "*", "huggingface.co", "no", "1e9"]
)
SIZES = st.integers(-5, 1 << 70) | st.sampled_from(
    ["30GB", "1 kB", "0", "-1GB", "1e400GB", "inf", "nan", "9" * 400, "1_0GB", "٣GB", "GB", ""]
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | SIZES
ANY = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=2)
)
LISTS = ("licences", "publishers", "formats", "hosts")
FITTING = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(LISTS, st.lists(WORDS, max_size=3))
    | {"max_file": SIZES, "max_total": SIZES, "require_hash": st.booleans()},
)
POLICIES = FITTING | st.dictionaries(
    st.sampled_from(Policy.__struct_fields__) | WORDS, ANY, max_size=3
)


@given(POLICIES | ANY, RECORD)
@settings(max_examples=6)
def test_any_policy_is_refused_with_its_place_or_holds(
    tmp_path_factory: pytest.TempPathFactory, told: Any, record: Record
) -> None:
    holds(tmp_path_factory, told, record)


@pytest.mark.soak
@given(POLICIES | ANY, RECORD)
@settings(max_examples=100)
def test_any_of_many_policies_is_refused_with_its_place_or_holds(
    tmp_path_factory: pytest.TempPathFactory, told: Any, record: Record
) -> None:
    holds(tmp_path_factory, told, record)


@pytest.mark.parametrize("over", [0, 1])
def test_a_limit_allows_what_just_reaches_it(over: int) -> None:
    model = Model(folder="loras", path="harbor.pth")
    record = Record(
        number=1, model=model, destination="/m/loras/harbor.pth", store="/m", source="url",
        where="x", url="https://x.example/a", size=5 + over, sha256="a" * 64,
    )  # fmt: skip
    assert [rule for rule, _ in broken(Policy(max_file=5), record)] == ["max_file"] * over


def holds(tmp_path_factory: pytest.TempPathFactory, told: Any, record: Record) -> None:
    """Read a policy, and hold it against a record."""
    path = tmp_path_factory.getbasetemp() / "manifest.yaml"
    text = yaml.safe_dump({"comfyui": "c", "policy": told}, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
    try:
        policy = manifest_file.load(path, {}).policy
    except SetupProblem as problem:
        assert str(problem.reason.told["path"]).endswith("manifest.yaml")
        assert words.problem(problem).isprintable()
        return
    reasons = [*broken(policy, record)]
    held = RunPolicy(policy, str(path), lambda _: 2, Plan((), (), {}, ()))
    too_much = held.policy.max_total_bytes is not None and (record.size or 0) > (
        held.policy.max_total_bytes
    )
    try:
        held.require(record)
    except ModelProblem as problem:
        assert problem.outcome == Outcome.POLICY
        assert words.problem(problem).isprintable()
        assert reasons or too_much
    else:
        assert not reasons
        assert not too_much
