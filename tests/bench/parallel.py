"""21 models, each search 1.7 s and each download 2 s: how near the best possible schedule."""

from __future__ import annotations

import heapq
import tempfile
import time
from pathlib import Path

from comfyfix.demo.hub import Hub
from tests.rig import Site

MODELS, SEARCH, DOWNLOAD, SEARCHES, DOWNLOADS = 21, 1.7, 2.0, 6, 3

PLACE = "https://huggingface.co/maker"


def best() -> float:
    """Seconds of the best schedule: searches as slots free up, downloads as results come."""
    searchers, fetchers = [0.0] * SEARCHES, [0.0] * DOWNLOADS
    ready = []
    for _ in range(MODELS):
        end = heapq.heappop(searchers) + SEARCH
        heapq.heappush(searchers, end)
        ready.append(end)
    for moment in sorted(ready):
        heapq.heappush(fetchers, max(moment, heapq.heappop(fetchers)) + DOWNLOAD)
    return max(fetchers)


def measure(searches: int, downloads: int) -> tuple[float, float, float]:
    """Seconds in all, until the first search was answered, and until the first download began."""
    with tempfile.TemporaryDirectory() as folder, Hub() as hub:
        site = Site(Path(folder), hub)
        site.manifest(search={"parallel": searches}, download={"parallel": downloads})
        names = [f"number{i:02d}.safetensors" for i in range(MODELS)]
        for name in names:
            hub.add(f"maker/{name.partition('.')[0]}", [name])
        # An embedded address takes one question, so that a search is one delay.
        urls = {n: f"{PLACE}/{n.partition('.')[0]}/resolve/main/{n}" for n in names}
        site.workflow("all.json", *[("loras", name) for name in names], urls=urls)
        hub.delays = {"search": SEARCH, "file": DOWNLOAD}
        moments: dict[str, float] = {}

        def note(what: str) -> None:
            # A delay comes before this call for `search` and `file` alike.
            kind = "search" if what.startswith("repository ") else what.partition(" ")[0]
            moments.setdefault(kind, time.perf_counter())

        hub.on_request = note
        start = time.perf_counter()
        done = site.doit()
        total = time.perf_counter() - start
        assert done.returncode == 0, done.stdout
        answered = moments["search"] - start
        began = moments["file"] - start - DOWNLOAD
        return total, answered, began


def main() -> None:
    """Print the table."""
    total, answered, began = measure(SEARCHES, DOWNLOADS)
    serial, _, _ = measure(1, 1)
    # One after another means: no download while a search runs either.
    one_after_another = MODELS * (SEARCH + DOWNLOAD)
    print(f"{MODELS} models, search {SEARCH} s ({SEARCHES} at a time), download {DOWNLOAD} s "
          f"({DOWNLOADS} at a time)")  # fmt: skip
    print(f"  comfyfix                        {total:7.2f} s")
    print(f"  best possible schedule          {best():7.2f} s   ratio {total / best():.2f}")
    print(f"  one after another (sum)         {one_after_another:7.2f} s   "
          f"{one_after_another / total:.1f} × faster")  # fmt: skip
    print(f"  comfyfix, one slot each         {serial:7.2f} s   {serial / total:.1f} × faster")
    print(f"  first search answered after     {answered:7.2f} s")
    print(f"  first download asked after      {began:7.2f} s")
