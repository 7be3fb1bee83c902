"""A fleet in one stack, its template, and the problems of what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from cdk_sglang import Capacity, ConfigurationError, InferenceEndpoint, ModelSource, NoVerification, ServingImage


class Built:
    """An endpoint named "chat" without verification, unless the options say otherwise, and its template."""

    def __init__(self, **options: Any) -> None:
        self.app = cdk.App()
        self.stack = cdk.Stack(self.app, "Fleet", env=cdk.Environment(account="111122223333", region="us-east-1"))
        options.setdefault("capacity", Capacity.on_demand("ml.g6e.12xlarge", min_instances=2, max_instances=40))
        options.setdefault("image", ServingImage.from_dlc())
        options.setdefault("endpoint_name", "chat")
        if "truth_check" not in options:
            options.setdefault("verification", NoVerification(reason="not needed here"))
        self.endpoint = InferenceEndpoint(self.stack, "Chat", **options)

    def add(self, name: str = "llama", **options: Any) -> Any:
        options.setdefault("model", ModelSource.from_s3("s3://models/llama/", check=False))
        return self.endpoint.add_component(name, **options)

    def template(self) -> Template:
        return Template.from_stack(self.stack)

    def all(self, kind: str) -> dict[str, Any]:
        return dict(self.template().find_resources(kind))

    def one(self, kind: str) -> Any:
        ((_, resource),) = self.all(kind).items()
        return resource["Properties"]


def problems(make: Callable[[], object]) -> list[str]:
    """Return the lines with which a value is refused."""
    with pytest.raises(ConfigurationError) as error:
        make()
    return list(error.value.problems)
