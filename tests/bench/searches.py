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


def alone() -> float:
    """Seconds from the first question of `doit plan` until the last about what an API knows."""
    with tempfile.TemporaryDirectory() as folder, Hub() as hub:
        site = Site(Path(folder), hub)
        names = prepare(site, hub)
        moments: list[tuple[float, str]] = []
        hub.on_request = lambda what: moments.append((time.perf_counter(), what))
        done = site.doit("plan")
        assert done.returncode == 0, done.stdout
    words = {name.partition("_")[0] for name in names}
    ours = [moment for moment, what in moments if any(word in what for word in words)]
    return max(ours) - moments[0][0] + QUESTION


def main() -> None:
    """Print when the searches had ended, by the lines of the run itself."""
    with tempfile.TemporaryDirectory() as folder, Hub() as hub:
        site = Site(Path(folder), hub)
        names = prepare(site, hub)
        moments: list[tuple[float, str]] = []
        hub.on_request = lambda what: moments.append((time.perf_counter(), what))
        start = time.perf_counter()
        running = site.start()
        assert running.stdout is not None
        lines = [(time.perf_counter(), line) for line in running.stdout]
        total = time.perf_counter() - start
        assert running.wait() == 0, lines[-20:]
    begin = moments[0][0] - QUESTION  # it is noted after its delay
    found = [moment for moment, line in lines if "✓ Found on HuggingFace" in line]
    by_qwen = next(moment for moment, line in lines if "✓ Found by Qwen" in line)
    fetched = [m for m, what in moments if what.startswith("file ") and QWENS not in what]
    asked = [what for _, what in moments if what.split()[0] not in ("file", "resolve")]
    count, unit = len(names), f"{QUESTION * 1000:.0f} ms"
    assert len(found) == count
    print(f"{count + 1} searches, {unit} a question, {ANSWER} s an answer of Qwen; seconds")
    rows = {
        f"the {count} that an API can answer, searched alone": alone(),
        "the same while downloads go on": max(found) - begin,
        "until their downloads have begun": max(fetched) - begin,
        "until the one that needs Qwen is found": by_qwen - begin,
        "doit as a whole, its start included": total,
    }
    for label, seconds in rows.items():
        print(f"  {label:48} {seconds:5.2f}")
    print(f"  {'questions a model':48} {len(asked) / (count + 1):5.1f}")
