"""Tokens: each name in use counts, in order; what is no token is refused; colours as asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyfix.errors import SetupProblem
from comfyfix.net.urls.hosts import HUGGINGFACE
from comfyfix.records import Model, Record
from comfyfix.screen.text import GREEN, paint
from comfyfix.settings.manifest import TOKEN_VARIABLES, Endpoints, Manifest
from comfyfix.settings.secrets import at_hand, tokens
from comfyfix.settings.store_key import STORE_KEY
from comfyfix.stages.download.fetch import environment

REAL = Manifest(comfyui="/ComfyUI")


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"HF_TOKEN": "hf_a", "HUGGING_FACE_HUB_TOKEN": "hf_b"}, {"huggingface": "hf_a"}),
        ({"HF_API_TOKEN": "hf_c", "HUGGING_FACE_HUB_TOKEN": "hf_b"}, {"huggingface": "hf_b"}),
        ({"HF_API_TOKEN": "hf_c"}, {"huggingface": "hf_c"}),
        ({"HF_TOKEN": "", "HUGGING_FACE_HUB_TOKEN": " \r\n", "HF_API_TOKEN": "\thf_c\r\n"},
            {"huggingface": "hf_c"}),
        ({"CIVITAI_API_KEY": "k", "CIVITAI_API_TOKEN": "t"}, {"civitai": "t"}),
        ({"CIVITAI_API_KEY": "k\n", "CIVITAI_TOKEN": "  "}, {"civitai": "k"}),
        ({"QWEN_API_KEY": "q", "HF_HUB_TOKEN": "no name in use"}, {"qwen": "q"}),
    ],
)  # fmt: skip
def test_the_first_name_that_is_set_counts(environ: dict[str, str], found: dict[str, str]) -> None:
    assert tokens(REAL, environ) == found


def test_a_login_counts_after_every_name(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hf_login\n")
    home = {"HF_HOME": str(tmp_path)}
    assert tokens(REAL, home) == {"huggingface": "hf_login"}
    assert tokens(REAL, {**home, "HF_API_TOKEN": "hf_c"}) == {"huggingface": "hf_c"}


@pytest.mark.parametrize("name", [n for names in TOKEN_VARIABLES.values() for n in names])
@pytest.mark.parametrize("value", ["hf_\nb", "hf_a\r\nX-Evil: 1", "a b", "hf_日本", "a\x00b"])
def test_what_is_no_token_is_refused_by_the_name_that_holds_it(name: str, value: str) -> None:
    with pytest.raises(SetupProblem) as refused:
        tokens(REAL, {name: value})
    assert refused.value.reason.told == {"variable": name}


def test_a_script_gets_the_one_that_counts_and_no_other() -> None:
    names = {name: "canary" for names in TOKEN_VARIABLES.values() for name in names}
    record = Record(
        number=1, model=Model(folder="vae", path="a.pt"), destination="/a.pt", store="/",
        source="huggingface", where="o/n", url=f"{HUGGINGFACE}/o/n/resolve/main/a.pt",
    )  # fmt: skip
    env = environment(
        names, record, Endpoints(), {"huggingface": "hf_a"}, folder=Path("/"), demo=False
    )
    assert {name: env[name] for name in names if name in env} == {"HF_TOKEN": "hf_a"}


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({}, None),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "3"}, True),
        ({"FORCE_COLOR": ""}, None),
        ({"FORCE_COLOR": "0"}, False),
        ({"FORCE_COLOR": "false"}, False),
        ({"CLICOLOR_FORCE": "1"}, True),
        ({"CLICOLOR_FORCE": "0"}, None),
        ({"CLICOLOR_FORCE": "1", "FORCE_COLOR": "0"}, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}, False),
        ({"NO_COLOR": "", "FORCE_COLOR": "1"}, True),
        ({"NO_COLOR": "0"}, False),
    ],
)
def test_colours_are_as_the_user_has_it(
    variables: dict[str, str],
    coloured: bool | None,
    terminal: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    expected = terminal if coloured is None else coloured
    assert (GREEN in paint("✓ done", terminal=terminal)) is expected


def test_all_that_must_not_be_shown_is_known(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hf_of_a_login\n")
    environ = {"HF_TOKEN": " hf_one\n", "CIVITAI_API_KEY": "two", STORE_KEY: "three", "USER": "me"}
    known = at_hand({**environ, "HF_TOKEN_PATH": str(file)})
    assert sorted(known) == ["hf_of_a_login", "hf_one", "three", "two"]
    file.unlink()
    file.mkdir()
    assert len(at_hand({**environ, "HF_TOKEN_PATH": str(file)})) == 3
