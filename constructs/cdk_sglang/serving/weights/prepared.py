"""Files of a model that are copied or checked during a deployment, before they are served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from constructs import IConstruct


@dataclass(frozen=True, kw_only=True)
class PreparedModel:
    """Copy or check of the files of one model for one component.

    Attributes:
        ready: Construct after which the files are ready; models of several components may share it.
        hold: Makes the copy or check wait for the dependencies of the given constructs, the component first; returns the construct
            after which the files are then ready.
    """

    ready: IConstruct
    hold: Callable[[Sequence[IConstruct]], IConstruct]
