"""All official templates, against a hub that has what their embedded URLs name.

What is needed is found here by other means than the program's: from the labels that each
template carries itself (`properties.models`), not from its loaders and widgets.
"""

from __future__ import annotations

import functools
import json
import random
import shutil
from pathlib import Path
from typing import Any

import comfyui_workflow_templates_json as templates
import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.screen.words import fixed, t
from tests.rig import Site, kill_hard

TEMPLATES = Path(templates.__path__[0]) / "templates"


@functools.cache
def embedded() -> dict[tuple[str, str], set[str]]:
    """(folder, name) → URLs, of every node of every template."""
    found: dict[tuple[str, str], set[str]] = {}
    for path in TEMPLATES.glob("*.json"):
        value = json.loads(path.read_bytes())
        if not (isinstance(value, dict) and "nodes" in value):
            continue
        levels = [value, *value.get("definitions", {}).get("subgraphs", [])]
        for node in (node for level in levels for node in level["nodes"]):
            for model in (node.get("properties") or {}).get("models") or []:
                found.setdefault((model["directory"], model["name"]), set()).add(model["url"])
    return found


def needed(site: Site) -> dict[str, str]:
    """What should arrive, as sha256: every active reference that `doit scan` reports, by path."""
    done = site.doit("scan", "--json")
    rows: list[dict[str, Any]] = json.loads(done.stdout)["references"]
    return {
        f"{row['folder']}/{row['path']}": sha256(file_for(row["name"]))
        for row in rows
        if row["active"] and not row["optional"] and row["kind"] in ("file", "embedding")
    }


@pytest.fixture
def official(site: Site, hub: Hub) -> Site:
    shutil.copytree(TEMPLATES, site.workflows, dirs_exist_ok=True)
    for urls in embedded().values():
        for url in urls:
            hub.add_url(url)
    # Two URLs end in another name than the model's; they hold the model all the same.
    for (_, name), urls in embedded().items():
        for url in urls:
            repo, _, path = url.partition("//")[2].partition("/")[2].partition("/resolve/main/")
            path = path.partition("?")[0]
            if path.rpartition("/")[2] != name and len(urls) == 1:
                hub.repositories[repo].files[path] = file_for(name)
    return site


@pytest.mark.soak  # hundreds of files
def test_every_needed_file_arrives_and_nothing_else(official: Site) -> None:
    want = needed(official)
    labels = {f"{folder}/{name}" for folder, name in embedded()}
    assert set(want) <= labels, "a reference is in another folder than its template says"
    assert len(want) > 300

    first = official.doit()
    assert first.returncode == 0, first.stdout[-3000:] + first.stderr
    assert official.files() == want

    fetched = official.hub.count("GET", "/cdn/*") if official.hub else 0
    assert fetched == len(want) - first.stdout.count("✓ Linked")
    second = official.doit()
    assert second.returncode == 0
    assert t("Nothing to do") in second.stdout
    assert official.hub is not None and official.hub.count("GET", "/cdn/*") == fetched

    deleted, cut, swapped = random.Random(7).sample(sorted(want), 3)
    (official.models / deleted).unlink()
    (official.models / cut).write_bytes(file_for(Path(cut).name)[:-100])
    (official.models / swapped).write_bytes(file_for("another one" + swapped[-12:]))
    assert len(official.pending()) == 3
    third = official.doit()
    assert third.returncode == 0, third.stdout[-3000:]
    assert fixed("Successfully downloaded: {count}", count=3) in third.stdout
    aside = {f"{cut}.damaged", f"{swapped}.damaged"}
    assert {k: v for k, v in official.files().items() if k not in aside} == want
    assert aside <= set(official.files())


@pytest.mark.soak
def test_a_third_fails_and_a_rerun_completes_exactly_what_is_absent(official: Site) -> None:
    hub = official.hub
    assert hub is not None
    want = needed(official)
    unlucky = set(random.Random(3).sample(sorted(want), len(want) // 3))
    for key in unlucky:
        name = key.rpartition("/")[2]
        urls = next(urls for (f, n), urls in embedded().items() if f"{f}/{n}" == key)
        files = {name, *(url.partition("?")[0].rpartition("/")[2] for url in urls)}
        for file in files:
            # Half of them can't be asked about, half break off in the middle.
            where, kind = ("resolve", "reset") if len(name) % 2 else ("file", "cut")
            hub.faults.append(Fault(f"{where} */{file}", kind))
    official.manifest(download={"retries": 0, "reserve": 0})
    first = official.doit()
    assert first.returncode == 1, first.stdout[-3000:]
    arrived = official.files()
    lucky = {
        k: v
        for k, v in want.items()
        if k.rpartition("/")[2] not in {u.rpartition("/")[2] for u in unlucky}
    }
    assert {k for k in arrived if not k.endswith(".part")} >= set(lucky)
    summary = first.stdout.partition(fixed("INCREMENTAL DOWNLOAD SUMMARY"))[2]
    failed = set(want) - set(arrived)
    # One cause is said once, however many models have it; the report has each.
    told = json.loads((official.output / "report" / "report.json").read_text())["models"]
    assert failed <= {m["model"] for m in told if m["status"] == "failed" and m["reason"]["next"]}
    next_step = t("Next: {step}", step="")
    assert f"\n    {next_step}" in summary
    assert all(arrived[k] == want[k] for k in arrived if not k.endswith(".part"))

    hub.faults.clear()
    before = hub.count("GET", "/cdn/*")
    second = official.doit()
    assert second.returncode == 0, second.stdout[-3000:]
    assert official.files() == want
    assert hub.count("GET", "/cdn/*") - before == len(failed) - second.stdout.count("✓ Linked")


@pytest.mark.soak
def test_killed_in_the_middle_it_goes_on_where_it_was(official: Site) -> None:
    hub = official.hub
    assert hub is not None
    want = needed(official)
    hub.delays["file"] = 0.02
    running = official.start()
    assert running.stdout is not None
    done = 0
    for line in running.stdout:
        done += "Download completed" in line
        if done == 40:
            break
    kill_hard(running)
    partial = official.files()
    whole = {k: v for k, v in partial.items() if k in want}
    assert len(whole) >= 40
    assert all(want[k] == v for k, v in whole.items()), "a partial file under a final name"

    with hub.lock:
        hub.seen.clear()
    again = official.doit()
    assert again.returncode == 0, again.stdout[-3000:]
    assert official.files() == want
    refetched = [k for k in whole if hub.count("GET", f"/cdn/*/{k.rpartition('/')[2]}?*")]
    same_name = [k for k in refetched if sum(w.endswith(k.rpartition("/")[2]) for w in want) > 1]
    assert set(refetched) <= set(same_name), "something complete was fetched again"
