"""Child process of the check: `python -m tools.check.deployment REPORT ENVIRONMENT=FOLDER...` writes the findings to a file, as JSON.

A process of its own, since the embedded AWS replaces parts of botocore and the environment's account in the whole process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tools.check.assemblies import Assembly
from tools.check.deployment import stacks


def main() -> int:
    """Deploy the environments one after another, each to an empty embedded AWS."""
    report, *environments = sys.argv[1:]
    findings: list[str] = []
    for name, _, folder in (environment.partition("=") for environment in environments):
        findings += stacks.findings(Assembly(environment=name, folder=Path(folder)))
    Path(report).write_text(json.dumps(findings), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
