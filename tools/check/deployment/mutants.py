"""Deploy mutants of templates: which faults does the embedded AWS refuse, and which of them does no other checker find?"""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.check.assemblies import Assembly

_AT_ONCE: Final = 2


@dataclass(frozen=True)
class Mutant:
    """A changed template.

    Attributes:
        kind: Kind of fault.
        environment: Name of its environment.
        artifact: Name of its stack in the environment's assembly.
        text: The template, with the fault.
        found: Whether another checker finds the fault.
        what: The fault in words.
    """

    kind: str
    environment: str
    artifact: str
    text: str
    found: bool
    what: str


def refusals(folders: Mapping[str, Path], mutants: Sequence[Mutant]) -> list[str]:
    """Return the first finding of each mutant's deployment; empty for one that is deployed and deleted.

    Args:
        folders: Cloud assemblies by environment.
        mutants: Templates, each of which is deployed after the stacks that it depends on.
    """
    with ProcessPoolExecutor(_AT_ONCE, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(
            pool.map(
                _refusal,
                [str(folders[mutant.environment]) for mutant in mutants],
                [mutant.environment for mutant in mutants],
                [mutant.artifact for mutant in mutants],
                [mutant.text for mutant in mutants],
            )
        )


def _refusal(folder: str, environment: str, artifact: str, text: str) -> str:
    from tools.check.deployment import stacks

    assembly = Assembly(environment=environment, folder=Path(folder))
    return next(iter(stacks.findings(assembly, changed={artifact: text}, only=artifact)), "")


def table(mutants: Sequence[Mutant], refused: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a table: by kind of fault, how many the deployment finds, and how many it alone finds; then the latter."""
    pairs = list(zip(mutants, refused, strict=True))
    yield f"{'kind':40}{'mutants':>8}{'deployed':>10}{'alone':>7}"
    totals = Counter[str](mutant.kind for mutant in mutants)
    for kind in (*totals, "all"):
        some = [(mutant, line) for mutant, line in pairs if kind in {mutant.kind, "all"}]
        refusing = sum(bool(line) for _, line in some)
        alone = sum(bool(line) and not mutant.found for mutant, line in some)
        yield f"{kind:40}{len(some):8}{refusing:10}{alone:7}"
    yield from (
        f"only the deployment finds {mutant.what}: {line}" for mutant, line in pairs if line and not mutant.found
    )
