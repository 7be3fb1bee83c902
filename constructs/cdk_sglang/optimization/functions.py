"""The functions of the pipeline: one for each step, with one role for each group of steps that need the same permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_sglang.optimization.group_rights import rights_of
from cdk_sglang.optimization.rights import grant
from cdk_sglang.optimization.steps import groups_of
from cdk_sglang.serving.shared.acknowledge import inline_policy
from cdk_sglang.serving.shared.log_options import LogOptions
from cdk_sglang.serving.shared.runtime_functions import make_log_group, make_role, place_function

if TYPE_CHECKING:
    from cdk_sglang.optimization.places import Places

_SOURCE = "speculative"


def make_functions(
    scope: Construct, places: Places, *, config: str, log_options: LogOptions
) -> dict[str, lambda_.Function]:
    """Create the functions, and return them by step.

    Args:
        scope: Parent.
        places: Names and ARNs of the component's pipeline.
        config: JSON text that all of them receive.
        log_options: Retention, encryption and removal policy of their logs.
    """
    functions = {}
    speculative = places.target.speculative
    for group in groups_of(speculative.kind):
        if group.name == "Approval" and speculative.gate.approval == "none":
            continue
        logs = make_log_group(scope, f"{group.name}Logs", log_options)
        role = make_role(scope, f"{group.name}Role", description=group.description, group=logs, statements=[])
        grant(scope, role, rights_of(group.name, places), inline_policy())
        for step in group.steps:
            functions[step] = place_function(
                scope,
                "".join(word.capitalize() for word in step.split("_")),
                source=_SOURCE,
                entry=step,
                description=f"{group.description}: {step}",
                timeout=cdk.Duration.minutes(group.minutes),
                role=role,
                group=logs,
                environment={"CONFIG": config},
                memory_mib=group.memory_mib,
            )
    return functions
