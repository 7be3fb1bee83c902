"""Synthesise many random environments and print the results; the tests do the same with fewer."""

from __future__ import annotations

import sys
import time

from hypothesis import HealthCheck, settings

from tools.examples import draw_same_examples
from tools.fuzz.synthesis import collect, synthesise

_DEFAULT_COUNT = 2000


def main(count: int) -> int:
    """Synthesise `count` environments that pass the settings, and those refused meanwhile; return 1 if any failed."""
    settings.register_profile(
        "fuzz", deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck]
    )
    settings.load_profile("fuzz")
    draw_same_examples()
    begin = time.perf_counter()
    tally = synthesise(collect(count), report=lambda line: print(line, file=sys.stderr))
    for failure in tally.failures:
        print(failure)
    print(f"fuzz: {tally} in {time.perf_counter() - begin:.0f} s")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else _DEFAULT_COUNT))
