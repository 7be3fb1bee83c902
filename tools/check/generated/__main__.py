"""`make mutants`: synthesise every environment, make mutants of its templates, print the figures by kind and the faults that nothing finds.

`python -m tools.check.generated 60` takes 60 of each kind; `make check` takes fewer.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

from tools.check.commands import ROOT
from tools.check.generated import run
from tools.check.synthesis import synthesise

_PER_KIND: Final = 30


def main() -> int:
    """Run and print; exit status 1 if too few faults are found or a template without faults has a finding."""
    if len(sys.argv) > 2 or (sys.argv[1:] and not sys.argv[1].isdigit()):  # noqa: PLR2004
        print("usage: python -m tools.check.generated [mutants of each kind]", file=sys.stderr)
        return 2
    per_kind = int(sys.argv[1]) if sys.argv[1:] else _PER_KIND
    environments = sorted(file.stem for file in (ROOT / "environments").glob("*.yaml"))
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        syntheses = synthesise(environments, Path(folder))
        problems = [line for synthesis in syntheses for line in synthesis.problems()]
        if not problems:
            verdicts, findings = run.examine({one.environment: one.folder for one in syntheses}, per_kind, others=True)
            print(*run.table(verdicts), sep="\n")
            print(*(f"nothing finds {one.candidate}" for one in verdicts if not one.finder), sep="\n")
            result = run.outcome(verdicts, findings)
            print(result.figures)
            problems = [line for line in result.problems if not line.startswith("no checker finds")]
            problems += (
                [] if run.enough(verdicts) else [f"fewer than {run.LEAST:.0%} of the generated faults are found"]
            )
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
