"""Values that are determined at synth, as CDK's lazy tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import aws_cdk as cdk
import jsii

T = TypeVar("T")


class _Producer(Generic[T]):
    def __init__(self, produce: Callable[[], T]) -> None:
        self._produce = produce

    def produce(self) -> T:
        return self._produce()


@jsii.implements(cdk.IStableListProducer)
class _List(_Producer[list[str]]):
    pass


@jsii.implements(cdk.IStableNumberProducer)
class _Number(_Producer[int]):
    pass


@jsii.implements(cdk.IStableStringProducer)
class _Text(_Producer[str]):
    pass


@jsii.implements(cdk.IStableAnyProducer)
class _Any(_Producer[Any]):
    pass


def lazy_list(produce: Callable[[], list[str]]) -> list[str]:
    """Return a token for a list of texts that a function returns at synth."""
    return cdk.Lazy.list(_List(produce))


def lazy_number(produce: Callable[[], int]) -> int | float:
    """Return a token for a number that a function returns at synth."""
    return cdk.Lazy.number(_Number(produce))


def lazy_text(produce: Callable[[], str]) -> str:
    """Return a token for a text that a function returns at synth."""
    return cdk.Lazy.string(_Text(produce))


def lazy_any(produce: Callable[[], Any]) -> cdk.IResolvable:
    """Return a token for a value of any shape that a function returns at synth."""
    return cdk.Lazy.any(_Any(produce))
