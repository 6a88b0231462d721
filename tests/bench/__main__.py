"""`python -m tests.bench [idle] [index] …`: tables, ratios measured side by side."""

from __future__ import annotations

import sys

from tests.bench import idle, index, parallel, scan, screen

BENCHMARKS = {
    "idle": idle.main,
    "index": index.main,
    "parallel": parallel.main,
    "scan": scan.main,
    "screen": screen.main,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or BENCHMARKS:
        BENCHMARKS[name]()
        print()
