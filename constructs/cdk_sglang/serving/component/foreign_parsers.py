"""The warning about parsers that read another maker's models."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from cdk_sglang.engine.parsers import foreign_parsers
from cdk_sglang.planning import ResolvedComponent


def warn_of_foreign_parsers(scope: Construct, component: ResolvedComponent) -> None:
    """Warn where reasoning or tool calls would stay in the text, since the parser looks for another maker's marks.

    No mistake: a model can be fine-tuned to write in the format of another.
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
