"""`download.limit`: three models of several connections, how fast they come together.

The server lets each connection have less than its share of the limit, so that scripts take several.
What came is counted by whole seconds where the relay hands it on, and where the server sends it:
there the buffers of both systems count as sent. The rate is that of the 30 seconds that all three
were at it: before, scripts are looking for how many connections are worth it; at the end, a single
model has too few of them for the limit. `COMFYFIX_BENCH_LIMIT` is the limit in MB/s (20).
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from comfyfix.net.relay.pace import Bucket
from comfyfix.net.relay.relay import Relay
from comfyfix.process import Children
from comfyfix.screen.words import sentence
from comfyfix.stages.download.fetch import Here, fetch
from comfyfix.stages.download.slots import Slot, Slots
from comfyfix.stages.download.talk import Talk
from tests.bench.line import COUNTS, SENT, served
from tests.bench.transfers import Bench

MODELS = 3
SKIPPED, SECONDS = 5, 30
EACH = 3.0  # MB/s a connection
LEAST_PIECE = 64  # MiB; smaller files have one connection


def main() -> None:
    """Print the table."""
    limit = float(os.environ.get("COMFYFIX_BENCH_LIMIT", "20"))
    size = max(LEAST_PIECE, math.ceil((SKIPPED + SECONDS + 10) * limit * 1e6 / MODELS / (1 << 20)))
    print(f"{MODELS} models of {size} MiB, {EACH:.0f} MB/s a connection, limit {limit:.0f} MB/s")
    print(f"{'':8} {'MB/s':>6} {'x limit':>8} {'slowest second':>15} {'fastest of all':>15}")
    with tempfile.TemporaryDirectory() as folder, _counted() as came:
        bench = Bench(Path(folder))
        paths = [bench.large(f"model{number}.dat", size) for number in range(MODELS)]
        records = [bench.record(path) for path in paths]
        with served(bench.source, each=EACH, waiting=1 << 16) as url:
            relay = Relay({"total": int(limit * 1e6)}, {})
            env = {**os.environ, "HF_ENDPOINT": url}

            def one(number: int) -> None:
                record, slot = records[number], Slot(Slots())
                talk = Talk.about(record, lambda _: None, slot, pickle="allow", words=sentence)
                here = Here(Children(), env, relay)
                fetch(record, bench.ours(paths[number]), talk, here, signs=False)

            begun, cpu = time.monotonic(), time.process_time()
            with ThreadPoolExecutor(MODELS) as pool:
                list(pool.map(one, range(MODELS)))
            took, cpu = time.monotonic() - begun, time.process_time() - cpu
            sent = {int(second): count for second, count in _told(url + SENT).items()}
            asked = _told(url + COUNTS)
    total = MODELS * size * (1 << 20)
    _row("relayed", limit, came)
    _row("sent", limit, sent)
    pieces = " ".join(str(count) for count in asked.values())
    print(f"pieces of each: {pieces}; CPU of the relay {cpu / total * (1 << 30):.2f} s/GiB")
    print(f"{took:.0f} s in all; load {os.getloadavg()[0]:.1f}")


def _row(name: str, limit: float, by_second: Mapping[int, int]) -> None:
    first = min(by_second) + SKIPPED
    window = [by_second.get(first + second, 0) / 1e6 for second in range(SECONDS)]
    rate, fastest = sum(window) / SECONDS, max(by_second.values()) / 1e6
    print(
        f"{name:8} {rate:6.1f} {rate / limit:8.2f} {min(window):15.1f} {fastest:15.1f}", flush=True
    )


@contextmanager
def _counted() -> Iterator[Counter[int]]:
    """What the limits let go on, by second."""
    came: Counter[int] = Counter()
    take = Bucket.take

    async def counted(self: Bucket, count: int) -> None:
        await take(self, count)
        came[int(time.monotonic())] += count

    with patch.object(Bucket, "take", counted):
        yield came


def _told(url: str) -> dict[str, int]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url) as answer:
        told: dict[str, int] = json.load(answer)
        return told
