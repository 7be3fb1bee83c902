"""Names that CloudFormation generates for resources without one: stack, logical id and a random suffix, shortened to the service's limit.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-name.html (read 2026-12). AWS does not document how it shortens;
here the stack's name and the logical id share the available length, as in names that AWS has generated. SageMaker's and CodeBuild's types
(`Resource.NAMED_AFTER_STACK`) have the logical id alone in front: AWS documents neither form for them, and nothing may rely on one.
"""

from __future__ import annotations

import secrets
import string
from typing import Final

from moto.cloudformation import parsing

_RANDOM: Final = 12
_LONGEST: Final = {
    "AWS::CloudWatch::Alarm": 255,
    "AWS::CloudWatch::CompositeAlarm": 255,
    "AWS::Events::Rule": 64,
    "AWS::IAM::Role": 64,
    "AWS::Lambda::Function": 64,
    "AWS::SQS::Queue": 80,
    "AWS::Scheduler::Schedule": 64,
    "AWS::Scheduler::ScheduleGroup": 64,
    "AWS::StepFunctions::StateMachine": 80,
}
"""Characters of the longest name by type: the pages of the operations that create them (API references, read 2026-12)."""
_LONGEST_OF_OTHERS: Final = 255
_LOWER_CASE: Final = ("AWS::ECR::Repository", "AWS::S3::Bucket")
_MOTOS_OWN: Final = ("AWS::ElasticLoadBalancingV2::", "AWS::IAM::Policy", "AWS::S3::Bucket")
"""Types for which moto's name already has AWS's form."""
_moto_name = parsing.generate_resource_name


def generated(resource_type: str, stack_name: str, logical_id: str) -> str:
    """Generate the name of a resource.

    Args:
        resource_type: Type of the resource.
        stack_name: Name of its stack.
        logical_id: Its logical id.
    """
    if resource_type.startswith(_MOTOS_OWN):
        return str(_moto_name(resource_type, stack_name, logical_id))
    room = _LONGEST.get(resource_type, _LONGEST_OF_OTHERS) - _RANDOM - 2
    stack = stack_name[: max(room // 2, room - len(logical_id))]
    name = f"{stack}-{logical_id[: room - len(stack)]}-{suffix()}"
    return name.lower() if resource_type in _LOWER_CASE else name


def stack_of(stack_id: str) -> str:
    """Return the name in a stack's id."""
    return stack_id.rpartition(":stack/")[2].partition("/")[0]


def suffix() -> str:
    """Random suffix of a generated name, like CloudFormation's."""
    return "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(_RANDOM))
