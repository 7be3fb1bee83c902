"""Make mutants of every template, run the checkers over each, and count by kind.

Each mutant is examined alone, in this process: first by the checks that take milliseconds, then by the others until one finds it.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from tools.check import api_models, cfn_lint, metric_names, validation, workflows
from tools.check.assemblies import Assembly
from tools.check.generated import blind, exclusion, links, meaning, values
from tools.check.generated.model import Candidate, Mutable, Source, sample
from tools.check.graph import environment_of
from tools.check.nag import Nag
from tools.check.outcomes import Outcome
from tools.check.relations import checker as relations

SEED: Final = 20261201
LEAST: Final = 0.85
"""Share of the generated faults that has to be found."""

SAMPLE: Final = 8
"""Mutants of each kind in `make check-all`."""

SECONDS: Final = 12.0
"""Time after which the sample of `make check-all` is cut."""

MAKERS: Final[tuple[Callable[[Source], Iterator[Candidate]], ...]] = (
    values.bounds,
    values.required,
    exclusion.exclusive,
    links.swapped,
    links.unordered,
    links.distrusted,
    links.unallowed,
    links.moved,
    meaning.metrics,
    meaning.scaling,
    meaning.data,
)

KINDS: Final = (
    values.SCHEMA_BOUNDS,
    values.API_BOUNDS,
    values.REQUIRED,
    exclusion.EXCLUSIVE,
    links.REFERENCE,
    links.ORDER,
    links.TRUST,
    links.PERMISSION,
    links.PLACE,
    meaning.METRIC,
    meaning.SCALING,
    meaning.DATA,
)

NEW: Final = ("API models", "relations")
"""Checkers whose rules are derived; the table shows what the others find without them too."""


@dataclass(frozen=True)
class Verdict:
    """A mutant and its finders.

    Attributes:
        candidate: The mutant.
        finder: First checker that finds it; empty if none does.
        others: Whether a checker other than `NEW` finds it; None if nobody looked.
    """

    candidate: Candidate
    finder: str
    others: bool | None


def sources(folders: Mapping[str, Path]) -> list[Source]:
    """Return the templates of cloud assemblies by their environments' names."""
    environments = {name: environment_of(folder) for name, folder in folders.items()}
    return [
        Source(stack.name, json.loads(stack.template.read_text(encoding="utf-8")), environments[name])
        for name, folder in folders.items()
        for stack in Assembly(environment=name, folder=folder).stacks
    ]


def samples(templates: Sequence[Source], per_kind: int, seed: int = SEED, *, is_blind: bool = False) -> list[Candidate]:
    """Return the sampled mutants of each kind.

    Args:
        templates: What they are made of.
        per_kind: Mutants of each kind.
        seed: Seed of the sample.
        is_blind: Whether they are of the kinds that no rule was written for. Default: of the others.
    """
    makers, kinds = (blind.MAKERS, blind.KINDS) if is_blind else (MAKERS, KINDS)
    candidates = list(chain.from_iterable(make(source) for make in makers for source in templates))
    return [one for kind in kinds for one in sample((one for one in candidates if one.kind == kind), per_kind, seed)]


class Examiner:
    """All checkers over one template at a time.

    Args:
        acknowledged: Rules of cdk-nag that are acknowledged anywhere: templates have no acknowledgements.
    """

    def __init__(self, acknowledged: frozenset[str]) -> None:
        self._acknowledged = acknowledged
        self._nag: Nag | None = None  # made on first use: it starts node

    def verdict(self, candidate: Candidate, *, others: bool) -> Verdict:
        """Return who finds a mutant.

        Args:
            candidate: The mutant.
            others: Whether to ask the other checkers where a derived rule has found it already.
        """
        template = candidate.mutant()
        source = candidate.source
        new: tuple[tuple[str, Callable[[], Iterator[tuple[str, str]]]], ...] = (
            (NEW[0], lambda: api_models.findings(template)),
            (NEW[1], lambda: relations.findings(template, source.environment)),
        )
        finder = next((name for name, look in new if next(iter(look()), None) is not None), "")
        if finder and not others:
            return Verdict(candidate, finder, None)
        older = next((name for name, look in self._older(template, source) if _finds(look)), "")
        return Verdict(candidate, finder or older, bool(older))

    def unchanged(self, source: Source) -> list[str]:
        """Return the checkers other than `NEW` that find something in a template without faults."""
        return [name for name, look in self._older(source.template, source) if look()]

    def _older(self, template: Mutable, source: Source) -> Iterator[tuple[str, Callable[[], bool]]]:
        text = json.dumps(template)
        published = source.environment.published
        yield "metrics", lambda: any(True for _ in metric_names.findings(template, published=published))
        yield "cfn-lint", lambda: bool(cfn_lint.findings(text, region=source.environment.region))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "T.template.json")
            file.write_text(text, encoding="utf-8")
            yield "CDK, our rules", lambda: bool(validation.findings(file))
            self._nag = self._nag or Nag()
            nag = self._nag
            yield "nag", lambda: any(rule not in self._acknowledged for rule in nag.findings(file))
        if any(resource["Type"] == "AWS::StepFunctions::StateMachine" for resource in template["Resources"].values()):
            yield "ASL", lambda: bool(workflows.findings(template))


def _finds(look: Callable[[], bool]) -> bool:
    """Return whether a checker finds something; one that cannot read a template that far from its schema has found nothing."""
    try:
        return look()
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


def examine(
    folders: Mapping[str, Path], per_kind: int, *, others: bool, seconds: float | None = None, seed: int = SEED
) -> tuple[list[Verdict], list[str]]:
    """Return the verdicts of a sample, and the findings in the unchanged templates.

    Args:
        folders: Cloud assemblies by environment.
        per_kind: Mutants of each kind.
        others: Whether to ask every other checker, for the figures without the derived rules, and all of them about the unchanged templates, as
            `make check-all` does by itself.
        seconds: Time after which no further mutant is examined, once each kind has had one; None for all.
        seed: Seed of the sample. Default: the same in every run.
    """
    start = time.monotonic()
    templates = sources(folders)
    acknowledged = frozenset(
        rule
        for name, folder in folders.items()
        for _, rule, _ in Assembly(environment=name, folder=folder).acknowledgements()
    )
    examiner, verdicts = Examiner(acknowledged), list[Verdict]()
    problems: list[str] = []
    if others:
        problems = unchanged_problems(templates) + [
            f"{source.name}: {name} finds something" for source in templates for name in examiner.unchanged(source)
        ]
    for candidate in _in_turns(samples(templates, per_kind, seed)):
        if seconds is not None and len(verdicts) >= len(KINDS) and time.monotonic() - start > seconds:
            break
        verdicts.append(examiner.verdict(candidate, others=others))
    return verdicts, problems


def examine_blind(folders: Mapping[str, Path], per_kind: int, seed: int) -> list[Verdict]:
    """Return the verdicts of a sample of the kinds that no rule was written for.

    Args:
        folders: Cloud assemblies by environment.
        per_kind: Mutants of each kind.
        seed: Seed of the sample.
    """
    acknowledged = frozenset(
        rule
        for name, folder in folders.items()
        for _, rule, _ in Assembly(environment=name, folder=folder).acknowledgements()
    )
    examiner = Examiner(acknowledged)
    return [
        examiner.verdict(candidate, others=False)
        for candidate in samples(sources(folders), per_kind, seed, is_blind=True)
    ]


def unchanged_problems(templates: Sequence[Source]) -> list[str]:
    """Return what the derived rules find in templates without faults."""
    return [
        f"{source.name}: {place}: {message}"
        for source in templates
        for place, message in chain(
            api_models.findings(source.template), relations.findings(source.template, source.environment)
        )
    ]


def _in_turns(candidates: Sequence[Candidate]) -> Iterator[Candidate]:
    """Yield one of each kind after another, so that a sample that is cut has every kind."""
    by_kind = [[one for one in candidates if one.kind == kind] for kind in KINDS]
    for turn in range(max(map(len, by_kind), default=0)):
        yield from (kind[turn] for kind in by_kind if turn < len(kind))


def table(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Yield the lines of the table: kind, mutants, found, and what is found without the derived rules."""
    yield f"{'kind':40}{'mutants':>8}{'found':>7}{'share':>7}{'without':>9}  finders"
    for kind in (*dict.fromkeys(one.candidate.kind for one in verdicts), "all"):
        some = [one for one in verdicts if kind in {one.candidate.kind, "all"}]
        found = sum(bool(one.finder) for one in some)
        older = (
            f"{sum(bool(one.others) for one in some) / len(some):9.0%}"
            if all(one.others is not None for one in some)
            else f"{'-':>9}"
        )
        names = sorted({one.finder for one in some} - {""})
        finders = ", ".join(f"{name} {sum(one.finder == name for one in some)}" for name in names)
        yield f"{kind:40}{len(some):8}{found:7}{found / len(some):7.0%}{older}  {finders}"


def enough(verdicts: Sequence[Verdict]) -> bool:
    """Return whether as large a share of the faults is found as is asked."""
    return bool(verdicts) and sum(bool(one.finder) for one in verdicts) >= LEAST * len(verdicts)


def outcome(verdicts: Sequence[Verdict], problems: Sequence[str]) -> Outcome:
    """Return the result: too small a share of the faults is a problem, and so is a finding in an unchanged template."""
    found, total = sum(bool(one.finder) for one in verdicts), len(verdicts)
    share = found / total if total else 0.0
    survivors = [f"no checker finds {one.candidate}" for one in verdicts if not one.finder]
    return Outcome(
        figures=f"{found} of {total} generated faults found ({share:.0%}, at least {LEAST:.0%} are asked)",
        problems=[*problems, *([] if enough(verdicts) else survivors)],
    )
