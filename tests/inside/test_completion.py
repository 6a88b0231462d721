"""TAB completes commands, tasks and models, in bash and in zsh; no name is taken for code."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

import pytest

from tests.inprocess import InProcess

ASK = {
    "bash": 'COMP_LINE="$1" COMP_POINT=${#1}; _comfyfix_comfyfix; printf "%s\\n" "${COMPREPLY[@]}"',
    "zsh": """compadd() { print -rl -- ${(P)2} }; compdef() { : }
words=("${(@s: :)1}"); CURRENT=$#words; _comfyfix_comfyfix""",
}


@pytest.fixture(params=ASK)
def complete(request: pytest.FixtureRequest, inprocess: InProcess) -> Sequence[str]:
    """A shell that has read the completion; its program answers as ours has."""
    if shutil.which(request.param) is None:
        pytest.skip(f"there is no {request.param} here")
    inprocess.workflow(
        "clip.json",
        ("upscale_models", "rife49.pth"),
        ("vae", "there.safetensors"),
        ("loras", "$(touch owned).safetensors"),
        ("loras", "`touch owned`;x.safetensors"),
    )
    inprocess.put("vae", "there.safetensors")
    for what in ("tasks", "models"):
        done = inprocess.run("tabcompletion", "--words", what)
        assert done.code == 0, done
        (inprocess.root / f"{what}.txt").write_text(done.out)
    made = inprocess.run("tabcompletion", "--shell", request.param)
    (inprocess.root / "made").write_text(made.out)
    program = f'comfyfix() {{ cat "{inprocess.root}/$3.txt"; }}; cd "{inprocess.root}"; . ./made'
    return request.param, "-c", f"{program}\n{ASK[request.param]}", request.param


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("pl", {"plan"}),
        ("wh", {"why"}),
        (
            "down",
            {
                "download",
                *(f"download:{name}" for name in ("rife49", "touch_owned", "touch_owned_x")),
            },
        ),
        ("why th", {"there.safetensors"}),
        ("pin ri", {"rife49.pth"}),
        ("verify ri", {"rife49.pth"}),
        ("plan ri", {"rife49.pth"}),
        ("-n 3 work", {"workflow", "workflow:clip"}),
        ("help ver", {"verify", "verify:001", "verify:present"}),
        ("forget work", {"workflow", "workflow:clip"}),
        ("scan cl", set()),
        ("why $", set()),
    ],
)
def test_what_tab_offers(
    complete: Sequence[str], inprocess: InProcess, typed: str, offered: set[str]
) -> None:
    done = subprocess.run(
        [*complete, f"comfyfix {typed}"], capture_output=True, text=True, check=False, timeout=60
    )
    begun = typed.rpartition(" ")[2]
    words = {word for word in done.stdout.split() if word.startswith(begun)}
    assert words == offered, done
    assert not (inprocess.root / "owned").exists()


def test_the_rest_of_a_name_with_a_colon(complete: Sequence[str]) -> None:
    """bash takes what is before a colon for a word of its own."""
    done = subprocess.run(
        [*complete, "comfyfix download:ri"], capture_output=True, text=True, check=False, timeout=60
    )
    expected = "rife49" if complete[0] == "bash" else "download:rife49"
    assert expected in done.stdout.split()
