"""`python -m tests.bench.resolve`: the same as `python -m tests.bench resolve`."""

from tests.bench.resolve.run import main

main()
