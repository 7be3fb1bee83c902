"""Values that are complete when the app is synthesised, as CDK's lazy tokens."""

from __future__ import annotations

from collections.abc import Callable

import aws_cdk as cdk
import jsii


@jsii.implements(cdk.IStableListProducer)
class _List:
    def __init__(self, produce: Callable[[], list[str]]) -> None:
        self._produce = produce

    def produce(self) -> list[str]:
        return self._produce()


def lazy_list(produce: Callable[[], list[str]]) -> list[str]:
    """Return a token for a list of texts that a function returns at synth."""
    return cdk.Lazy.list(_List(produce))
