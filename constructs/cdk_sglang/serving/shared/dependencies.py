"""Dependencies that are determined at synth, as CDK's dependables."""

from __future__ import annotations

from collections.abc import Callable

from constructs import Construct, Dependable, DependencyGroup, IConstruct, IDependable


class _Roots(Dependable):
    def __init__(self, roots: Callable[[], list[IConstruct]]) -> None:
        super().__init__()
        self._roots = roots

    @property
    def dependency_roots(self) -> list[IConstruct]:
        return self._roots()


def lazy_dependency(roots: Callable[[], list[IConstruct]]) -> IDependable:
    """Return a dependable whose constructs a function returns at synth."""
    group = DependencyGroup()
    Dependable.implement(group, _Roots(roots))
    return group


def stand_for(construct: Construct, roots: Callable[[], list[IConstruct]]) -> None:
    """Make dependents of a construct wait for the constructs that a function returns at synth, instead of only for the construct itself."""
    Dependable.implement(construct, _Roots(roots))
