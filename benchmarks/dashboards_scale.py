"""What watching adds to a synth: an environment of 100 planned components with more and more of it, in fresh processes, in turns.

Every side plans and serves the components, as every synth of the app does; validation is off, or with `--checks` on, as in `make synth`. What
is compared is whole processes, from Python's start to the written templates. Seconds of CPU, Python's and node's, hold on a busy machine; wall
time does not.

`python benchmarks/dashboards_scale.py [repetitions] [--checks]`; without `--checks`, exit code 1 when dashboards with OTel enrichment, the
larger ones, add more than 10 % to a fleet with its alarms in wall time and in CPU time, or all that watches adds more than 25 % to a fleet that
nobody watches: its alarms (about six for each component, most of them windows of burn rates) and metric filters (five) are over a thousand
resources, each a call into jsii. Every check reads each of them once more, so that with `--checks` they add a larger share.
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
MAX_RATIO_OF_ALL: Final = 1.25
SIDES: Final = {
    "nothing": "neither alarms, nor metric filters and queries of logs, nor dashboards",
    "classic alarms": "alarms without OTel enrichment, filters and queries",
    "alarms": "every alarm, filters and queries",
    "classic": "the same without OTel enrichment, with dashboards",
    "promql": "every alarm, filters, queries and dashboards",
}
"""What each side has in addition to the endpoints."""
ENDPOINTS: Final = 4
COMPONENTS: Final = 25


def run(side: str, folder: str, *, checks: bool) -> tuple[float, float]:
    """Return wall and CPU seconds of one synth in a fresh process, with every check on or off."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "CDK_VALIDATION": "true" if checks else "false",
        "PYTHONPATH": f"{ROOT / 'constructs'}{os.pathsep}{ROOT}",
    }
    before, begin = _children_cpu(), time.perf_counter()
    command = [sys.executable, str(ROOT / "benchmarks" / "support" / "dashboards_app.py"), side, folder]
    subprocess.run(command, env=environment, check=True, cwd=ROOT, capture_output=True)
    return time.perf_counter() - begin, _children_cpu() - before


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(repetitions: int, *, checks: bool) -> int:
    """Print both sides; 1 when the bound is broken."""
    sides: dict[str, list[tuple[float, float]]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        run("promql", folder, checks=checks)  # fills caches of bytecode and packages
        for _ in range(repetitions):
            for side, figures in sides.items():
                figures.append(run(side, folder, checks=checks))
    medians = {side: _medians(figures) for side, figures in sides.items()}
    for side, (wall, cpu) in medians.items():
        of_wall, of_cpu = _ratios(medians, side, "nothing")
        print(f"{side:<15} wall {wall:.2f} s (x{of_wall:.3f}), CPU {cpu:.2f} s (x{of_cpu:.3f}): {SIDES[side]}")
    dashboards = min(_ratios(medians, "promql", "alarms"))
    whole = min(_ratios(medians, "promql", "nothing"))
    print(
        f"dashboards_scale: {ENDPOINTS} x {COMPONENTS} components; dashboards x{dashboards:.3f} of a fleet with alarms (target <= {MAX_RATIO}); "
        f"all that watches x{whole:.3f} of a fleet without (target <= {MAX_RATIO_OF_ALL})"
    )
    return 0 if checks or (dashboards <= MAX_RATIO and whole <= MAX_RATIO_OF_ALL) else 1


def _medians(figures: list[tuple[float, float]]) -> tuple[float, float]:
    wall, cpu = (statistics.median(column) for column in zip(*figures, strict=True))
    return wall, cpu


def _ratios(medians: dict[str, tuple[float, float]], side: str, base: str) -> tuple[float, float]:
    return medians[side][0] / medians[base][0], medians[side][1] / medians[base][1]


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--checks"]
    sys.exit(main(int(arguments[0]) if arguments else 3, checks="--checks" in sys.argv))
