"""What `l1_app.py` takes from the library's template: properties as arguments of typed constructs, and policy documents."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any


def typed(properties: dict[str, Any], reference: Callable[[Any], str]) -> dict[str, Any]:
    """Return a template's properties as arguments of a typed construct; policy documents stay as they are."""

    def inner(value: object) -> object:
        if isinstance(value, list):
            return [inner(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref")):
            return reference(value)
        # A mapping inside another goes to CDK as it is, so it needs JavaScript's names; variables are not names of CDK's.
        return {
            key[:1].lower() + key[1:]: {name: inner(text) for name, text in item.items()}
            if key == "Variables"
            else item
            if key.endswith("Document")
            else inner(item)
            for key, item in value.items()
        }

    return {
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower(): value if key.endswith("Document") else inner(value)
        for key, value in properties.items()
    }


def policies_of(resources: list[Any]) -> dict[str, list[Any]]:
    """Return the policy documents of a template's resources, by what they are attached to."""
    places = {
        "trust": ("AWS::IAM::Role", "AssumeRolePolicyDocument"),
        "inline": ("AWS::IAM::Policy", "PolicyDocument"),
        "managed": ("AWS::IAM::ManagedPolicy", "PolicyDocument"),
    }
    return {
        name: [r["Properties"][key] for r in resources if r["Type"] == kind] for name, (kind, key) in places.items()
    }
