"""Dependencies that are complete when the app is synthesised, as CDK's dependables."""

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
    """Return something to depend on, whose constructs a function returns at synth."""
    group = DependencyGroup()
    Dependable.implement(group, _Roots(roots))
    return group


def stand_for(construct: Construct, roots: Callable[[], list[IConstruct]]) -> None:
    """Have who depends on a construct wait for the constructs that a function returns at synth, instead of the construct alone."""
    Dependable.implement(construct, _Roots(roots))
