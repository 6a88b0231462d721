"""`python -m tests.bench [idle] [index] …`: tables, ratios measured side by side."""

from __future__ import annotations

import sys

from tests.bench import (
    cluster,
    dashboard,
    idle,
    index,
    jobs,
    large,
    listing,
    locked,
    packs,
    parallel,
    rate,
    scan,
    screen,
    searches,
    transfers,
    verify,
)
from tests.bench.resolve import run as resolve

BENCHMARKS = {
    "cluster": cluster.main,
    "dashboard": dashboard.main,
    "idle": idle.main,
    "index": index.main,
    "jobs": jobs.main,
    "large": large.main,
    "listing": listing.main,
    "locked": locked.main,
    "packs": packs.main,
    "parallel": parallel.main,
    "rate": rate.main,
    "resolve": resolve.main,
    "scan": scan.main,
    "screen": screen.main,
    "searches": searches.main,
    "transfers": transfers.main,
    "verify": verify.main,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or BENCHMARKS:
        BENCHMARKS[name]()
        print()
