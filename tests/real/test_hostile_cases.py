"""Files that were seen to run code with their real readers, and some that were called unsafe."""

from __future__ import annotations

from pathlib import Path

from comfyfix.formats.look import inspect


def test_no_file_that_runs_code_passes(cases: Path) -> None:
    hostile = [*(cases / "hostile" / "proven").iterdir()]
    hostile += [path for path in (cases / "hostile").iterdir() if path.suffix in (".pt", ".pth")]
    assert len(hostile) > 40
    for path in hostile:
        found = inspect(path)
        assert found is not None, path.name
        assert found.kind == "unsafe", path.name


def test_no_harmless_file_is_called_unsafe(cases: Path) -> None:
    harmless = list((cases / "hostile" / "harmless").iterdir())
    assert len(harmless) >= 8
    for path in harmless:
        assert inspect(path) is None, path.name
