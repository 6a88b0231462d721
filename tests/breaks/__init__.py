"""Breaks: what the tests would not notice.

`uv run python -m tests.breaks --seed 7 --count 100 [--only comfyfix/stages/search]` breaks the code
in small ways, one at a time and in a copy of the tree, and runs the tests that pass the broken
line. What no test notices is printed with its diff: it lacks a test, or the code is not needed, or
the break changes nothing and belongs into `equivalent.txt`, with the reason.

- `make.py`: which breaks a module offers.
- `covered.py`: which test passes which line, found out once and kept in `tmp/`.
- `trial.py`: a copy of the tree, and a run of some tests in it.
- `inside/`: what goes into the processes of the tests.
"""
