"""The warning about parsers for models of another vendor."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from cdk_sglang.engine.parsers import foreign_parsers
from cdk_sglang.planning import ResolvedComponent


def warn_of_foreign_parsers(scope: Construct, component: ResolvedComponent) -> None:
    """Warn if reasoning or tool calls would stay in the text because the parser expects the format of another vendor's models.

    It is a warning, not an error: a model can be fine-tuned to write in another model's format.
    """
    name = component.component.model.catalogue_id
    if name is None:
        return
    server = component.server
    for option, value, fitting in foreign_parsers(
        name, reasoning_parser=server.reasoning_parser, tool_call_parser=server.tool_call_parser
    ):
        advice = "leave it out" if fitting is None else f"use {fitting}"
        cdk.Annotations.of(scope).add_warning_v2(
            f"cdk-sglang:foreign-{option.replace('_', '-')}",
            f"server.{option} is {value}, which reads the output of other models than {name}: what it should take out stays in the text; "
            f"{advice}, or acknowledge this for a model that was trained to write so",
        )
