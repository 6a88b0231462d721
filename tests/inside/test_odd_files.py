"""What lies among the workflows and is no file: it is told, and the others are read."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from tests.rig import Site
from tests.unit.graphs import ui, vae


def test_files_that_are_none_leave_the_others_alone(site: Site) -> None:
    (site.workflows / "good.json").write_text(json.dumps(ui(vae(1, "v.pth"))))
    os.mkfifo(site.workflows / "pipe.json")
    (site.workflows / "round.json").symlink_to(site.workflows / "round.json")
    (site.workflows / "gone.json").symlink_to(site.root / "nothing")
    (site.workflows / "folder.json").mkdir()
    bound = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(site.workflows)
    try:
        bound.bind("socket.json")
    finally:
        os.chdir(here)
    locked = site.workflows / "locked.json"
    locked.write_text("{}")
    locked.chmod(0)
    done = site.doit("scan", "--json")
    bound.close()
    assert [row["value"] for row in json.loads(done.stdout)["references"]] == ["v.pth"]
    told = {line.split(": ")[0].rpartition("/")[2] for line in done.stderr.splitlines()}
    wanted = {"pipe.json", "round.json", "gone.json", "socket.json"}
    assert told >= wanted
    assert "Traceback" not in done.stderr
