"""Builds `library_app` at several sizes in one process, after a first build that loads everything; prints the least seconds of each."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from library_app import build


def main(folder: Path, rounds: int, counts: list[int]) -> None:
    """Take turns, so that a busy machine is busy for all sizes."""
    build(max(counts), str(folder / "first"))
    least = dict.fromkeys(counts, float("inf"))
    for _ in range(rounds):
        for count in counts:
            begin = time.perf_counter()
            build(count, str(folder / f"g{count}"))
            least[count] = min(least[count], time.perf_counter() - begin)
    print(" ".join(f"{seconds:.4f}" for seconds in least.values()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), [int(count) for count in sys.argv[3:]])
