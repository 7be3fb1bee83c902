"""`make mutants`: synthesise every environment, make mutants of its templates, print the figures by kind and the faults that nothing finds.

A second table has kinds that no rule was written for (`blind`): it says how far the rules reach, and has no threshold.

`python -m tools.check.generated 60` takes 60 of each kind; `make check-all` takes fewer. `--seed=7` takes another sample of both tables. With `--deploy`
each mutant is deployed to an embedded AWS, too, which takes a second or two, and a second table says how many that finds, and how many it alone finds.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tools.check.commands import ROOT
from tools.check.deployment import mutants as deployed
from tools.check.generated import run
from tools.check.synthesis import synthesise

_PER_KIND: Final = 30
_BLIND_SEED: Final = 20261202
_DEPLOY: Final = "--deploy"
_SEEDED: Final = re.compile(r"--seed=(\d{1,18})")


def main() -> int:
    """Run and print; exit status 1 if too few faults are found or a template without faults has a finding."""
    words = [word for word in sys.argv[1:] if word != _DEPLOY]
    seeds = [int(found[1]) for word in words if (found := _SEEDED.fullmatch(word))]
    words = [word for word in words if not _SEEDED.fullmatch(word)]
    if len(seeds) > 1 or len(words) > 1 or not all(word.isdigit() for word in words):
        print(
            f"usage: python -m tools.check.generated [mutants of each kind] [--seed=NUMBER] [{_DEPLOY}]",
            file=sys.stderr,
        )
        return 2
    seed, blind_seed = (seeds[0], seeds[0]) if seeds else (run.SEED, _BLIND_SEED)
    per_kind = int(words[0]) if words else _PER_KIND
    environments = sorted(file.stem for file in (ROOT / "environments").glob("*.yaml"))
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        syntheses = synthesise(environments, Path(folder))
        problems = [line for synthesis in syntheses for line in synthesis.problems()]
        if not problems:
            folders = {one.environment: one.folder for one in syntheses}
            verdicts, findings = run.examine(folders, per_kind, others=True, seed=seed)
            print(*run.table(verdicts), sep="\n")
            print(*(f"nothing finds {one.candidate}" for one in verdicts if not one.finder), sep="\n")
            result = run.outcome(verdicts, findings)
            print(result.figures)
            blind = run.examine_blind(folders, per_kind, blind_seed)
            print("kinds that no rule was written for, as a measure without a threshold:", *run.table(blind), sep="\n")
            print(*(f"nothing finds {one.candidate}" for one in blind if not one.finder), sep="\n")
            if _DEPLOY in sys.argv[1:]:
                _deploy([*verdicts, *blind], folders)
            problems = [line for line in result.problems if not line.startswith("no checker finds")]
            problems += (
                [] if run.enough(verdicts) else [f"fewer than {run.LEAST:.0%} of the generated faults are found"]
            )
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _deploy(verdicts: Sequence[run.Verdict], folders: Mapping[str, Path]) -> None:
    """Deploy every mutant, and print the table of it."""
    mutants = []
    for verdict in verdicts:
        environment, _, artifact = verdict.candidate.source.name.partition("/")
        text = json.dumps(verdict.candidate.mutant())
        mutants.append(
            deployed.Mutant(
                verdict.candidate.kind, environment, artifact, text, bool(verdict.finder), str(verdict.candidate)
            )
        )
    print(*deployed.table(mutants, deployed.refusals(folders, mutants)), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
