"""What the library costs at synth: 100 components through it against the same resources as plain L1s, and how it grows.

Validation is off. The comparison starts a fresh process for every figure, the two sides in turns, so that a busy machine is busy for both;
growth is measured inside one process, where nothing but the components is paid for.
`python benchmarks/synth_scale.py [repetitions]`; exit code 1 when the growth is not linear, or the
ratio is above 1.25 in wall time and in CPU time (a busy machine spoils the one, not the other).
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
SUPPORT: Final = ROOT / "benchmarks" / "support"
MAX_RATIO: Final = 1.25
MAX_LAST_STEP_OVER_FIRST: Final = 1.6  # seconds per added component from 50 to 100, over those from 10 to 50
COUNT: Final = 100
_MAY_DIFFER: Final = frozenset({"Metadata", "PolicyName", "Path", "S3Key"})
"""Names, notes, and the digests of assets, which depend on how a folder is filtered."""


@dataclass(frozen=True)
class Cost:
    """Seconds of one synth."""

    process: float
    """From starting Python to its end, node and imports included."""
    cpu: float
    """Of Python and node together: what the process costs when the machine is busy with other things."""
    app: float
    """From the first construct to the written templates."""


def run(script: str, *arguments: str) -> Cost:
    """Run one app in a fresh process."""
    before, begin = _children_cpu(), time.perf_counter()
    output = _run_app(script, *arguments)
    return Cost(time.perf_counter() - begin, _children_cpu() - before, float(output.split()[1]))


def _run_app(script: str, *arguments: str) -> str:
    environment = {
        # The library's modules are compiled once, as on any machine: some containers tell Python not to keep what it compiles, and
        # would measure its compiler on the one side, since installed packages were compiled when they were installed.
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "CDK_VALIDATION": "false",
        "PYTHONPATH": f"{ROOT / 'constructs'}{os.pathsep}{ROOT}",
        "JSII_NODE": os.environ.get("JSII_NODE") or _node(),
    }
    command = [sys.executable, str(SUPPORT / script), *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _node() -> str:
    own = Path(sys.prefix, "bin", "node")
    return str(own) if own.exists() else "node"


def shape(template: Path) -> list[Any]:
    """Return what a template makes, without the names of things, to compare two of them."""
    resources = json.loads(template.read_text(encoding="utf-8"))["Resources"]
    ids = {name: f"<{resource['Type']}>" for name, resource in resources.items()}

    def plain(value: object) -> object:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items() if key not in _MAY_DIFFER}
        if isinstance(value, list):
            return sorted((plain(item) for item in value), key=json.dumps)
        return ids.get(value, value) if isinstance(value, str) else value

    return sorted((plain(resource) for resource in resources.values()), key=json.dumps)


def compare(folder: Path, repetitions: int) -> tuple[float, float]:
    """Print both sides of the comparison and return the ratio of whole processes: wall time and CPU time, medians of pairs."""
    library_out, l1_out = folder / "library", folder / "l1"
    run("library_app.py", str(COUNT), str(library_out))  # also warms the package cache
    template = library_out / "Bench.template.json"
    run("l1_app.py", str(COUNT), str(l1_out), str(template))
    same = _without_descriptions(shape(template)) == _without_descriptions(shape(l1_out / "Bench.template.json"))
    resources = len(json.loads(template.read_text(encoding="utf-8"))["Resources"])
    print(f"{COUNT} components, {resources} resources; both sides make the same: {'yes' if same else 'NO'}")
    library, l1 = [], []
    for _ in range(repetitions):
        library.append(run("library_app.py", str(COUNT), str(library_out)))
        l1.append(run("l1_app.py", str(COUNT), str(l1_out), str(template)))
    for what, part in (("process", "process"), ("its CPU", "cpu"), ("app alone", "app")):
        ours, theirs = (sorted(getattr(cost, part) for cost in side) for side in (library, l1))
        print(
            f"  {what:<10} library {statistics.median(ours):.2f} s (best {ours[0]:.2f}), "
            f"L1s {statistics.median(theirs):.2f} s (best {theirs[0]:.2f}), "
            f"ratio {statistics.median(ours) / statistics.median(theirs):.2f} (of the best {ours[0] / theirs[0]:.2f})"
        )
    pairs = list(zip(library, l1, strict=True))
    if not same:
        raise SystemExit("the two sides make different resources; the comparison means nothing")
    return (
        statistics.median(mine.process / other.process for mine, other in pairs),
        statistics.median(mine.cpu / other.cpu for mine, other in pairs),
    )


def _without_descriptions(shapes: list[Any]) -> list[str]:
    # CDK writes a description on the policies it splits off; nobody writes that by hand.
    return sorted(
        json.dumps({**part, "Properties": {k: v for k, v in part.get("Properties", {}).items() if k != "Description"}})
        for part in shapes
    )


def growth(folder: Path, repetitions: int) -> float:
    """Print the cost at 10, 25, 50 and 100 components in one process, and return how much more expensive the last ones were than the first."""
    counts = (10, 25, 50, 100)
    output = _run_app("growth_app.py", str(folder), str(repetitions), *map(str, counts))
    best = dict(zip(counts, map(float, output.split()), strict=True))
    print("growth (in one process, best of each):", ", ".join(f"{count}: {best[count]:.2f} s" for count in counts))
    first = (best[50] - best[10]) / 40
    last = (best[100] - best[50]) / 50
    print(f"  per component: {1000 * first:.1f} ms from 10 to 50, {1000 * last:.1f} ms from 50 to 100")
    return last / first


def main(repetitions: int) -> int:
    """Print both measurements; 1 when a bound is broken."""
    print(
        f"cores {os.cpu_count()}, python {platform.python_version()}, aws-cdk-lib {version('aws-cdk-lib')}, "
        f"jsii {version('jsii')}, repetitions {repetitions}"
    )
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = compare(Path(folder), repetitions)
        slope = growth(Path(folder), max(3, repetitions // 2))
    print(
        f"synth_scale: ratio {wall:.2f} in wall time, {cpu:.2f} in CPU time (target <= {MAX_RATIO}); "
        f"growth of the slope {slope:.2f} (linear is 1)"
    )
    return 0 if min(wall, cpu) <= MAX_RATIO and slope <= MAX_LAST_STEP_OVER_FIRST else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7))
