"""Names that lead out, and text that a shell or a template would run: nothing does."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.records import Model
from comfyfix.screen.words import t
from tests.faults.rig import Case, Rig, file_of, side_by_side
from tests.faults.server import Server
from tests.faults.shelf import COMMIT, Thing
from tests.rig import Site, ui_workflow
from tests.unit.test_names import HOSTILE

pytestmark = pytest.mark.faults
RIFE = ("upscale_models", "rife49.pth")


def everything(root: Path, but: Path) -> dict[str, tuple[int, int]]:
    """Size and time of all below a folder, but for what is below another."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in root.rglob("*")
        if not path.is_relative_to(but) and not path.is_dir() and path.suffix != ".pyc"
    }


def test_no_name_leads_out(tmp_path: Path, hub: Hub) -> None:
    """One run over all of them, and the Hub has a file for each."""
    inner = tmp_path / "a" / "b" / "c" / "d"
    inner.mkdir(parents=True)
    site = Site(inner, hub)
    (tmp_path / "a" / "passwd").write_text("precious")
    wanted = [("loras", value) for value in HOSTILE] + [("loras", "SDXL\\foo.safetensors"), RIFE]
    urls = {
        value: "https://huggingface.co/evil/repo/resolve/main/"
        + quote(value.encode("utf-8", "replace").decode(), safe="")
        for value in HOSTILE
    }
    (site.workflows / "evil.json").write_text(json.dumps(ui_workflow(wanted, urls)))
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    hub.add("maker/foo", ["foo.safetensors"])
    for value in HOSTILE:
        hub.add("evil/repo", [value.encode("utf-8", "replace").decode()])
    roots = ("/", "/etc", str(site.home))
    before = everything(tmp_path, but=site.output), [sorted(Path(root).iterdir()) for root in roots]
    done = site.doit()
    for changed in ("upscale_models/rife49.pth", "loras/SDXL/foo.safetensors"):
        assert site.files().pop(changed) == sha256(file_for(changed.rpartition("/")[2]))
        (site.models / changed).unlink()
    assert site.files() == {}
    left = {
        name: told
        for name, told in everything(tmp_path, but=site.output).items()
        if "/.comfyfix/" not in name and "/.doit" not in name
    }
    assert (left, [sorted(Path(root).iterdir()) for root in roots]) == before
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    mark = t(" is refused ({workflow}, node ", workflow="evil.json")
    refused = [line for line in done.stdout.splitlines() if mark in line]
    rows = json.loads(site.doit("scan", "--json").stdout)["references"]
    named: dict[str, set[str]] = {}  # the nodes that name a model, by its path
    for row in rows:
        if row["value"] != "rife49.pth" and not row["value"].startswith("SDXL"):
            named.setdefault(row["path"], set()).add(row["node_id"])
    assert sum(map(len, named.values())) >= 60
    untold = [
        path
        for path, nodes in named.items()
        if not any(f"{mark}{node}" in line for node in nodes for line in refused)
    ]
    assert untold == []


def payloads(canary: Path) -> list[str]:
    act = f"touch {canary}"
    return [
        f"$({act})", f"`{act}`", f"'; {act}; '", f'"; {act}; "', f"\n{act}\n", f"\r\n{act}\r\n",
        f"; {act}", f"& {act} &", f"| {act}", f"|| {act}", f"&& {act}", f"$'\\n{act}'",
        f"\\'; {act} #", f"'\\''; {act}; '\\''", f"${{IFS}}$({act})", f"${{x:-$({act})}}",
        f"$(({act}))", f"a[$({act})]", f"<({act})", f">{canary}", f"2>{canary}",
        f"\n#\n{act}\n#", f"*/\n{act}\n/*", f"EOF\n{act}\n", f"' 'EOF'\n{act}\nEOF\n",
        f"{{{{ cycler.__init__.__globals__.os.system('{act}') }}}}", "{{ 7 * 191 }}",
        "{% for x in range(9) %}x{% endfor %}", f"{{=# #=}}$({act})", "{# comment #}",
        f"-o{canary}", f"--output={canary}", f"-K{canary}", f"@{canary}", f"!{act}", f"\u2028{act}",
        f"\x1b]0;{act}\x07", "%s%n%x", f"$PATH$({act})", f"~/$({act})", f"\\$({act})",
    ]  # fmt: skip


def poisoned(rig: Rig, number: int, text: str) -> Case:
    """Put one text into every field of a record that holds text from outside."""
    case = rig.case(
        f"case-{number}", Thing(DATA), where=f"someone/{text}", name=text, asked=text, note=text,
        licence=text, base_model=text, publisher=text, evidence=(text, f"#{text}"), source=text,
        store=text, model=Model(folder="loras", path=text),
        url=f"https://huggingface.co/someone/case-{number}/resolve/{COMMIT}/{quote(text)}",
        destination=str(rig.root / f"case-{number}" / "loras" / text.replace("/", "_")),
    )  # fmt: skip
    return Case(case.script, case.folder, case.env, text.replace("/", "_"))


DATA = file_of(5000)


def test_no_text_of_a_record_is_run(rig: Rig, server: Server, tmp_path: Path) -> None:
    canary = tmp_path / "pwned"
    texts = payloads(canary)
    assert len(texts) >= 23
    cases = [poisoned(rig, number, text) for number, text in enumerate(texts)]
    done = side_by_side(lambda case: case.run(), cases)
    assert not canary.exists()
    assert not list(rig.root.rglob("pwned*"))
    failed = {text: d.stdout for text, d in zip(texts, done, strict=True) if d.returncode}
    assert failed == {}
    assert [case.got for case in cases] == [sha256(DATA)] * len(cases)
    assert [case.left for case in cases] == [[case.name] for case in cases]
    lint([case.script for case in cases][::3], canary)


def test_no_text_of_an_address_is_run(rig: Rig, tmp_path: Path) -> None:
    """A raw text as the path of an address, as no source would hand it on."""
    canary = tmp_path / "pwned"
    cases = []
    for number, text in enumerate(payloads(canary)):
        url = f"https://huggingface.co/someone/case-{number}/resolve/{COMMIT}/{text}"
        cases.append(rig.case(f"case-{number}", Thing(DATA), url=url))
    side_by_side(lambda case: case.run(), cases)
    assert not canary.exists()
    assert all(case.got in (None, sha256(DATA)) for case in cases)
    assert all(case.left in ([], [case.name]) for case in cases)
    lint([case.script for case in cases[:3]], canary)


# It remarks that what stands in single quotes is not expanded, nor a backslash or a tilde: so it
# shall be.
DATA_IS_DATA = ("--exclude=SC2016,SC1003,SC2088",)


def lint(scripts: list[Path], canary: Path) -> None:
    """`bash -n` and shellcheck have nothing to say."""
    for script in scripts:
        done = subprocess.run(["bash", "-n", str(script)], capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
    checker = shutil.which("shellcheck")
    if checker is None:
        pytest.skip("shellcheck is not installed; all else has passed")
    told = side_by_side(
        lambda script: subprocess.run(
            [checker, *DATA_IS_DATA, str(script)], capture_output=True, check=False
        ),
        scripts,
        width=2,
    )
    assert [each.stdout.decode() for each in told if each.returncode] == []
    assert not canary.exists()


def test_nothing_that_a_whole_run_meets_is_run(site: Site, hub: Hub, tmp_path: Path) -> None:
    """Names, paths, repositories, licences, model cards and names of Civitai, through real doit."""
    canary = tmp_path / "pwned"
    plain = "pwned"  # names hold no slash, so this one is relative
    names = [
        f"{text.strip()}.safetensors"
        for text in payloads(Path(plain))
        if not set(text.strip()) & set('\n\r"*|<>\x1b\u2028/:\\') and text[0] not in "-~"
    ]
    assert len(names) >= 15
    texts = payloads(canary)
    for number, name in enumerate(names):
        entry = hub.add(f"maker-{number}/things", [name])
        entry.licence = entry.base_model = texts[number]
        entry.readme = "\n".join(texts)
    version = hub.add_civitai(f"rife49 {texts[0]}", "rife49.pth")
    version.type, version.creator, version.base_model = "Upscaler", texts[1], texts[2]
    version.words, version.named = tuple(texts), "rife49.pth"
    urls = {
        name: f"https://huggingface.co/maker-{number}/things/resolve/main/{quote(name)}"
        for number, name in enumerate(names)
    }
    site.workflow("w.json", *[("loras", name) for name in names], RIFE, urls=urls)
    done = site.doit()
    assert done.returncode == 0, done.stdout[-2000:]
    for command in (("list",), ("plan",), ("why", names[0]), ("verify",)):
        site.doit(*command)
    assert {Path(path).name for path in site.files()} == {*names, "rife49.pth"}
    assert not list(site.root.rglob("pwned")), "something was run"
    assert not canary.exists()
    assert "1337" not in done.stdout
    lint(sorted(site.output.glob("download_*.sh"))[::3], canary)
