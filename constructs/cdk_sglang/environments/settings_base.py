"""What every class of settings is: a specification of the app's own."""

from __future__ import annotations

from cdk_sglang.validation import Spec


class Settings(Spec):
    """A part of an environment."""
