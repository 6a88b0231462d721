"""What verifying may write and move: no receipt for bytes that it has not seen, and no file whose
publisher made it so."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from comfyfix.demo.hub import Hub
from comfyfix.records import Model, Verdict
from comfyfix.screen.commands import checking
from comfyfix.stages.verdicts import verify as stage
from comfyfix.state import receipts
from comfyfix.state.receipts import Receipts
from comfyfix.tasks.verify import side_by_side
from tests.inprocess import InProcess

NAME = "harbor_light.safetensors"
KEY = f"loras/{NAME}"
ODD = "4x_odd.pth"


def forget(site: InProcess) -> None:
    """Lose the receipts: what is there has to be hashed."""
    site.output.joinpath("downloaded_models.json").unlink()
    for path in (site.models / ".comfyfix" / "receipts").rglob("*.receipt"):
        path.unlink()


def other_bytes(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def same_size_and_time(path: Path) -> None:
    info = path.stat()
    other_bytes(path)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def another_file(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)


CHANGES: dict[str, tuple[Callable[[Path], object], bool]] = {
    "none": (Path.stat, True),
    "bytes": (other_bytes, False),
    "unseen bytes": (same_size_and_time, False),
    "another file": (another_file, False),
    "gone": (Path.unlink, False),
}


@pytest.mark.parametrize(
    ("command", "change"),
    [
        *((("verify", "--store"), change) for change in CHANGES),
        *((("verify",), change) for change in ("none", "unseen bytes")),
        *(
            pytest.param(("verify",), change, marks=pytest.mark.soak)
            for change in ("bytes", "another file", "gone")
        ),
    ],
    ids=lambda told: told if isinstance(told, str) else "_".join(told),
)
def test_a_file_that_changes_after_it_was_hashed_gets_no_receipt(
    inprocess: InProcess,
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
    command: tuple[str, ...],
) -> None:
    inprocess.workflow("w.json", ("loras", NAME))
    hub.add("maker/harbor_light", [NAME])
    assert inprocess.run().code == 0
    forget(inprocess)
    changed, kept = CHANGES[change]
    real = stage.verify
    told: list[Verdict] = []

    def verify(model: Model, path: Path, *more: Any, **named: Any) -> Verdict:
        verdict = real(model, path, *more, **named)
        changed(path)
        told.append(verdict)
        return verdict

    monkeypatch.setattr(side_by_side, "verify", verify)
    done = inprocess.run(*command)
    assert [verdict.status for verdict in told] == ["ok"], done
    project = inprocess.project()
    assert (KEY in receipts.load(project.layout)) is kept
    of_store = inprocess.models / ".comfyfix" / "receipts" / "loras" / f"{NAME}.receipt"
    assert of_store.exists() is kept


def not_a_model() -> bytes:
    """A whole zip that no loader of `.pth` files reads: of another kind, and harmless."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("weights.txt", "1 2 3")
    return data.getvalue()


SAYS: dict[str, tuple[dict[str, Any] | None, bool]] = {
    "its publisher's": ({"verified": True}, True),
    "of no known hash": ({"verified": False}, False),
    "known by hash": ({"verified": False, "identified": True}, True),
    "not ours": (None, True),
    "of another size": ({"verified": True, "size": 1}, False),
}
"""What a receipt says of a file of another kind, and whether the file stays where it is."""
VERIFY, RUN = ("verify",), ("-s", "verify:present")


@pytest.mark.parametrize(
    ("command", "says"),
    [*((VERIFY, says) for says in SAYS), *((RUN, says) for says in list(SAYS)[:4])],
)
def test_a_publishers_own_bytes_are_never_moved_aside(
    inprocess: InProcess, command: tuple[str, ...], says: str
) -> None:
    inprocess.workflow("w.json", ("upscale_models", ODD))
    path = inprocess.put("upscale_models", ODD, not_a_model())
    receipt, stays = SAYS[says]
    if receipt is not None:
        project = inprocess.project()
        model = Model(folder="upscale_models", path=ODD)
        made = receipts.of_file(model, path, "0" * 64, script="", verified=False)
        made = msgspec.structs.replace(made, **receipt)
        Receipts(project.layout).save(project.folders.store, project.trust, [(model, made)])
    done = inprocess.run(*command)
    assert done.code == 1, done
    assert "wrong" in done.out
    assert path.exists() is stays, done.out
    assert path.with_name(f"{ODD}.damaged").exists() is not stays


def test_of_a_workflow_that_needs_nothing_nothing_is_verified(inprocess: InProcess) -> None:
    inprocess.workflow("plain.json")
    inprocess.workflow("clip.json", ("loras", NAME))
    inprocess.put("loras", NAME)
    done = inprocess.run("verify", "workflow:plain", "--json")
    assert (done.code, json.loads(done.out)["verdicts"]) == (0, [])
    done = inprocess.run("verify", "workflow:clip", "--json")
    answer = json.loads(done.out)
    assert (done.code, len(answer["verdicts"])) == (0, 1)
    assert [answer[count] for count in ("good", "unverified", "bad")] == [1, 1, 0]


def test_copies_are_to_be_brought_up_only_where_there_are_some(inprocess: InProcess) -> None:
    inprocess.workflow("clip.json", ("loras", NAME))
    inprocess.put("loras", NAME)
    done = inprocess.run("verify")
    assert checking.needed(Counter(unverified=1), fetchable=False, copies=False) in done.out
    (inprocess.models / "loras" / NAME).write_bytes(b"no model")
    done = inprocess.run("verify")
    assert (
        checking.needed(Counter(damaged=1), fetchable=True, copies=False) in done.out.splitlines()
    )
