"""What every class of settings is: a specification of the app's own."""

from __future__ import annotations

from cdk_sglang.spec.alternatives import exactly_one_of as exactly_one_of  # noqa: PLC0414  the other settings take it from here
from cdk_sglang.validation import Spec


class Settings(Spec):
    """A part of an environment."""
