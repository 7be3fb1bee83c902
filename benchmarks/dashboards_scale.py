"""What dashboards add to a synth: an environment of 100 planned components with and without them, in fresh processes, in turns.

Both sides plan the components, as every synth of the app does; validation is off. `python benchmarks/dashboards_scale.py [repetitions]`; exit
code 1 when dashboards with OTel enrichment, the larger ones, add more than 10 % in wall time and in CPU time.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
MAX_RATIO: Final = 1.10
ENDPOINTS: Final = 4
COMPONENTS: Final = 25


def run(side: str, folder: str) -> tuple[float, float]:
    """Return wall and CPU seconds of one synth in a fresh process."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "CDK_VALIDATION": "false",
        "PYTHONPATH": f"{ROOT / 'constructs'}{os.pathsep}{ROOT}",
    }
    before, begin = _children_cpu(), time.perf_counter()
    command = [sys.executable, str(ROOT / "benchmarks" / "support" / "dashboards_app.py"), side, folder]
    subprocess.run(command, env=environment, check=True, cwd=ROOT)
    return time.perf_counter() - begin, _children_cpu() - before


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(repetitions: int) -> int:
    """Print both sides; 1 when the bound is broken."""
    sides: dict[str, list[tuple[float, float]]] = {"without": [], "classic": [], "promql": []}
    with tempfile.TemporaryDirectory() as folder:
        run("promql", folder)  # fills caches of bytecode and packages
        for _ in range(repetitions):
            for side, figures in sides.items():
                figures.append(run(side, folder))
    base = [statistics.median(column) for column in zip(*sides["without"], strict=True)]
    ratios = {}
    for side, figures in sides.items():
        wall, cpu = (statistics.median(column) for column in zip(*figures, strict=True))
        ratios[side] = (wall / base[0], cpu / base[1])
        print(f"{side:<8} wall {wall:.2f} s (x{wall / base[0]:.3f}), CPU {cpu:.2f} s (x{cpu / base[1]:.3f})")
    worst = min(ratios["promql"])
    print(f"dashboards_scale: {ENDPOINTS} x {COMPONENTS} components, ratio {worst:.3f} (target <= {MAX_RATIO})")
    return 0 if worst <= MAX_RATIO else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
