"""Base class of all settings: a specification that only the app uses."""

from __future__ import annotations

from cdk_sglang.validation import Spec


class Settings(Spec):
    """A part of an environment."""
