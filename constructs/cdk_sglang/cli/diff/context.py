"""What all parts of a comparison share, and text that they have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cdk_sglang.cli.diff.changes import Change, Key
from cdk_sglang.cli.diff.rollouts import StartSeconds
from cdk_sglang.cli.diff.values import Reference
from cdk_sglang.hardware import PriceTable

Starts = Mapping[tuple[str, str], StartSeconds]
"""Start-up seconds by endpoint and component, in the words of the environment's file."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What all parts of a comparison share.

    Attributes:
        changes: What happens to resources.
        starts: Start-up seconds of planned components.
        prices: Prices that take precedence over the package's.
    """

    changes: Mapping[Key, Change]
    starts: Starts
    prices: PriceTable | None


def reference_words(parts: Iterable[Reference]) -> Iterator[str]:
    """Yield words for values that change although the template text stays the same.

    Args:
        parts: References to the values.
    """
    for part in parts:
        name = part.name.rpartition("/")[2].replace("-", " ") if part.kind == "parameter" else part.name
        yield f"{name}: another one" if part.kind != "parameter" else f"{name} of the foundation: another one"


def deletion(stack: str, region: str | None) -> str:
    """Return the command that deletes a stack.

    Args:
        stack: Name of the stack.
        region: Its Region, if known.
    """
    return f"aws cloudformation delete-stack --stack-name {stack}" + (f" --region {region}" if region else "")
