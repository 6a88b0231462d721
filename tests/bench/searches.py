"""21 searches, 50 ms per question and 1.7 s per answer of Qwen: 20 the APIs can answer, one not."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from comfyfix.demo.hub import Hub
from tests.rig import Site

FIRST = (
    "amber",
    "cobalt",
    "crimson",
    "emerald",
    "golden",
    "ivory",
    "jade",
    "lilac",
    "marble",
    "opal",
)
SECOND = ("harbor", "meadow")
QWENS = "moonlit_alley_style.safetensors"
PLACE = "night-owl/odds-and-ends"
QUESTION, ANSWER = 0.05, 1.7  # seconds


def prepare(site: Site, hub: Hub) -> list[str]:
    """Publish 20 models under words of their names, and one that only Qwen knows."""
    names = [f"{one}_{two}_style.safetensors" for one in FIRST for two in SECOND]
    for name in names:
        hub.add(f"maker/{name.partition('.')[0]}", [name])
    hub.add(PLACE, [QWENS])
    hub.answers[QWENS] = (
        f'{{"candidates": [{{"source": "huggingface", "repo": "{PLACE}", "path": "{QWENS}"}}]}}'
    )
    site.manifest(qwen={"base_url": f"{hub.url}/v1", "model": "q"})
    site.workflow("all.json", *[("loras", name) for name in (QWENS, *names)])
    hub.delays = {"search": QUESTION, "civitai": QUESTION, "qwen": ANSWER}
    return names


def main() -> None:
    """Print when the first question came, and when the last of each kind was answered."""
    with tempfile.TemporaryDirectory() as folder, Hub() as hub:
        site = Site(Path(folder), hub)
        names = prepare(site, hub)
        moments: list[tuple[float, str]] = []
        hub.on_request = lambda what: moments.append((time.perf_counter(), what))
        start = time.perf_counter()
        done = site.doit()
        total = time.perf_counter() - start
        assert done.returncode == 0, done.stdout
    first = moments[0][0] - QUESTION  # it is noted after its delay
    # The script of a model runs as soon as its search has ended.
    fetched = {
        what.rpartition("/")[2]: moment for moment, what in moments if what.startswith("file ")
    }
    by_api = max(fetched[name] for name in names) - first
    asked = [what for _, what in moments if what.split()[0] not in ("file", "resolve")]
    count, unit = len(names), f"{QUESTION * 1000:.0f} ms"
    print(f"{count + 1} searches, {unit} a question, {ANSWER} s an answer of Qwen")
    rows = {
        f"from the first question until {count} are searched and asked for": by_api,
        "until the one that needs Qwen is asked for": fetched[QWENS] - first,
        "doit as a whole": total,
    }
    for label, seconds in rows.items():
        print(f"  {label:58} {seconds:5.2f} s")
    print(f"  {'questions a model':58} {len(asked) / (count + 1):5.1f}")
