"""Rules: named checks of options, each with its source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cdk_sglang.engine.fields import OptionFields
from cdk_sglang.engine.releases import KNOWN_RELEASES, SGLANG_VERSION
from cdk_sglang.errors import Problem


@dataclass(frozen=True, kw_only=True)
class Context:
    """What is known of the model and the GPU.

    Args:
        model_max_context: The model's longest context in tokens; rules that need it are skipped if `None`.
        gpu_capability: Compute capability of the GPU, such as "8.9"; rules that need it are skipped if `None`.
        has_experts: Whether the model is a mixture of experts; `None` if unknown.
        sglang_version: The known SGLang release whose rules apply.
    """

    model_max_context: int | None = None
    gpu_capability: str | None = None
    has_experts: bool | None = None
    sglang_version: str = SGLANG_VERSION

    def has(self, release: str) -> bool:
        """Return whether SGLang is at least a known release, such as "0.5.19"."""
        return KNOWN_RELEASES.index(self.sglang_version) >= KNOWN_RELEASES.index(release)

    @property
    def capability(self) -> int | None:
        """Compute capability as SGLang compares it: major times ten plus minor, 89 for "8.9"."""
        if self.gpu_capability is None:
            return None
        major, _, minor = self.gpu_capability.partition(".")
        return int(major) * 10 + int(minor or 0)


Check = Callable[[OptionFields, Context], Iterator[Problem]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A check and its source.

    Args:
        name: Kebab-case name.
        source: Release and file, or issue, the rule comes from.
        check: Yields problems.
        since: The first release with the checked feature; for earlier ones, `images.problems` reports the missing option.
    """

    name: str
    source: str
    check: Check
    since: str = KNOWN_RELEASES[0]


class RuleBook:
    """Rules in the order of their definition."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def rule(self, name: str, *, source: str, since: str = KNOWN_RELEASES[0]) -> Callable[[Check], Check]:
        """Add the decorated check under a name with its source and the first release that has it."""

        def add(check: Check) -> Check:
            self.rules.append(Rule(name=name, source=source, check=check, since=since))
            return check

        return add
