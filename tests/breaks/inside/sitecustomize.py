"""Python runs this when it starts: in a program that a test has started, note what it passes."""

import os

if os.environ.get("BREAKS_PASS"):
    import atexit
    import json
    import time
    from pathlib import Path

    import recorder

    _tree = Path(os.environ["BREAKS_TREE"])
    _noted = recorder.start(_tree, os.environ.get("BREAKS_TEST", ""))

    @atexit.register
    def _write() -> None:
        told = {"seconds": {}, "lines": recorder.lines(_noted, _tree)}
        path = Path(os.environ["BREAKS_PASS"]) / f"program-{os.getpid()}-{time.time_ns()}.json"
        path.write_text(json.dumps(told), encoding="utf-8")
