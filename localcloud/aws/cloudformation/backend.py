"""Repairs of moto's CloudFormation backend, so that `stacks` deploys, and the CDK CLI works."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Collection
from typing import Any

from moto.cloudformation import models, parsing
from moto.cloudformation.exceptions import AlreadyExistsException, ValidationError
from moto.cloudformation.responses import CloudFormationResponse
from moto.cloudtrail.responses import CloudTrailResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.models import ec2_backends
from moto.ec2.models.route_tables import RouteTable
from moto.ec2.models.vpcs import VPCEndPoint
from moto.ecr.models import Repository, ecr_backends
from moto.ssm.models import ssm_backends

from localcloud.aws.cloudformation import change_sets, names, stacks, updates
from localcloud.aws.cloudformation.exports import importers
from localcloud.aws.cloudformation.templates import check

_Backend = models.CloudFormationBackend


def _new_stack(backend: Any, name: str, options: dict[str, Any]) -> Any:
    stack_id = models.generate_stack_id(name, backend.region_name, backend.account_id)
    stack = models.Stack(
        stack_id=stack_id,
        name=name,
        template={},
        parameters=options.get("parameters", {}),
        account_id=backend.account_id,
        region_name=backend.region_name,
        notification_arns=options.get("notification_arns"),
        tags=options.get("tags"),
        role_arn=options.get("role_arn"),
        cross_stack_resources=backend.exports,
        enable_termination_protection=options.get("enable_termination_protection"),
        timeout_in_mins=options.get("timeout_in_mins"),
        stack_policy_body=options.get("stack_policy_body"),
    )
    backend.stacks[stack_id] = stack
    return stack


def _create_stack(self: Any, name: str, template: str, parameters: dict[str, Any], **options: Any) -> Any:
    if any(stack.name == name for stack in self.stacks.values()):
        raise AlreadyExistsException(f"Stack [{name}] already exists")
    check(template)
    parameter_list = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    updates.parameters_of(template, parameter_list, previous={})
    stack = _new_stack(self, name, options | {"parameters": parameters})
    stack.template = template
    stacks.run(lambda: stacks.deploy(stack, "CREATE", template, parameters), stack)
    return stack


def _update_stack(self: Any, name: str, template: str, *, role_arn: str | None, parameters: Any, tags: Any) -> Any:
    stack = self.get_stack(name)
    stacks.check_updatable(stack)
    check(template)
    resolved = updates.parameters_of(template, parameters, previous=stack.stack_parameters)
    if not updates.changes_anything(stack, template, resolved, tags):
        raise ValidationError(message="No updates are to be performed.")
    change_sets.expire(self, stack)
    stack.role_arn, stack.tags = role_arn or stack.role_arn, stack.tags if tags is None else tags
    stacks.run(lambda: stacks.deploy(stack, "UPDATE", template, resolved), stack)
    return stack


def _answer_describe_stacks(self: CloudFormationResponse) -> ActionResult:
    """Answer the CDK CLI when the stack has ended: while it is in progress, the CLI would ask again only after five seconds."""
    name = self._get_param("StackName")
    if name and _CDK_CLI in self.headers.get("User-Agent", ""):
        found = [
            stack for stack in list(self.cloudformation_backend.stacks.values()) if name in (stack.name, stack.stack_id)
        ]
        for stack in found:
            stacks.await_end(stack, at_most_s=_LATE_S)
    answer: ActionResult = _moto_describe_stacks(self)
    return answer


def _delete_stack(self: Any, name_or_stack_id: str, *, retained: Collection[str] = (), forced: bool = False) -> None:
    for stack in list(self.stacks.values()):
        if name_or_stack_id not in (stack.name, stack.stack_id):
            continue
        _refuse_deletion(stack, only_after_failure=bool(retained) or forced)
        done = functools.partial(_forget, self, stack)
        if stack.status == "DELETE_IN_PROGRESS" or stacks.cancel_creation(stack, done):
            continue
        if stack.status.endswith("_IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS":
            raise ValidationError(message=f"Stack [{stack.name}] cannot be deleted while in status {stack.status}")
        stacks.delete(stack, done, retained=retained, forced=forced)


def _refuse_deletion(stack: Any, *, only_after_failure: bool) -> None:
    if stack.enable_termination_protection:
        raise ValidationError(message=f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")
    if only_after_failure and stack.status != "DELETE_FAILED":
        message = (
            f"Invalid operation on stack [{stack.stack_id}]. When you delete a stack, specify which resources to retain, or that its "
            "deletion is forced, only when the stack is in the DELETE_FAILED state."
        )
        raise ValidationError(message=message)


def _answer_delete_stack(self: CloudFormationResponse) -> ActionResult:
    self.cloudformation_backend.delete_stack(
        self._get_param("StackName"),
        retained=self._get_param("RetainResources", []),
        forced=self._get_param("DeletionMode") == "FORCE_DELETE_STACK",
    )
    return EmptyResult()


def _answer_update_termination_protection(self: CloudFormationResponse) -> ActionResult:
    stack = self.cloudformation_backend.get_stack(self._get_param("StackName"))
    stack.enable_termination_protection = self._get_bool_param("EnableTerminationProtection")
    return ActionResult({"StackId": stack.stack_id})


def _answer_list_imports(self: CloudFormationResponse) -> ActionResult:
    name, backend = self._get_param("ExportName"), self.cloudformation_backend
    found = importers(backend, name)
    if not found:
        raise ValidationError(message=f"Export '{name}' is not imported by any stack.")
    return ActionResult({"Imports": found})


def _forget(backend: Any, stack: Any) -> None:
    backend.stacks.pop(stack.stack_id, None)
    backend.deleted_stacks[stack.stack_id] = stack
    for change_set_id, change_set in list(backend.change_sets.items()):
        if change_set.stack_id == stack.stack_id:
            del backend.change_sets[change_set_id]
    for name, export in list(backend.exports.items()):
        if export.exporting_stack_id == stack.stack_id:
            del backend.exports[name]


def _get_resource(self: Any, key: str) -> Any:
    """Look up a resource without creating it, which moto's look-up does."""
    if key in self._parsed_resources:
        return self._parsed_resources[key]
    if key in self._resource_json_map:
        return None
    raise KeyError(key)


def _parse_ssm_parameter(self: Any, value: str, value_type: str) -> Any:
    """Resolve an SSM parameter; a value that is already resolved (UsePreviousValue) is kept."""
    parameter = ssm_backends[self._account_id][self._region_name].get_parameter(value)
    actual = parameter.value if parameter else value
    return actual.split(",") if "List" in value_type else actual


def _delete_route_table(self: Any, account_id: str, region: str) -> None:
    backend = ec2_backends[account_id][region]
    for association in list(self._associations):
        backend.disassociate_route_table(association)
    if self.id in backend.route_tables:
        backend.delete_route_table(self.id)


def _delete_vpc_endpoint(self: Any, account_id: str, region: str) -> None:
    backend = ec2_backends[account_id][region]
    self.route_table_ids = [table for table in self.route_table_ids or [] if table in backend.route_tables]
    backend.delete_vpc_endpoints([self.id])
    backend.vpc_end_points.pop(self.id, None)


def _delete_repository(self: Any, account_id: str, region: str) -> None:
    force = str(self.cf_properties.get("EmptyOnDelete", False)).lower() == "true"
    ecr_backends[account_id][region].delete_repository(self.name, force=force)


_moto_describe_stacks = CloudFormationResponse.describe_stacks
_CDK_CLI = "aws-cdk"
_LATE_S = 20.0


def install() -> None:
    """Replace moto's handling of stacks by this one."""
    _Backend.create_stack = _create_stack
    _Backend.update_stack = _update_stack
    _Backend.delete_stack = _delete_stack
    change_sets.install()
    CloudFormationResponse._validate_different_update = lambda *_: None  # checked at the start of an update
    CloudFormationResponse.delete_stack = _answer_delete_stack
    CloudFormationResponse.list_imports = _answer_list_imports
    CloudFormationResponse.update_termination_protection = _answer_update_termination_protection
    CloudFormationResponse.describe_stacks = _answer_describe_stacks
    models.Stack.outputs = property(lambda self: self.__dict__.get("resolved_outputs") or None)
    models.Stack.stack_resources = property(
        lambda self: [r for r in list(self.resource_map._parsed_resources.values()) if hasattr(r, "cf_resource_type")]
    )
    models.Stack.stack_parameters = property(_raw_parameters)
    models.Stack.parse_template = staticmethod(_parse_template)
    parsing.generate_resource_name = names.generated
    parsing.ResourceMap.__getitem__ = _get_resource
    parsing.ResourceMap.parse_ssm_parameter = _parse_ssm_parameter
    parsing.ResourceMap.validate_outputs = lambda _: None  # outputs are resolved when their resources exist
    CloudTrailResponse.lookup_events = lambda _: ActionResult({"Events": []})  # the CDK CLI reads them after a failure
    Repository.delete = _delete_repository
    RouteTable.delete = _delete_route_table
    VPCEndPoint.delete = _delete_vpc_endpoint


def _parse_template(template: str) -> dict[str, Any]:
    """Parse a template; JSON, which CDK writes, is parsed as JSON: moto's YAML parser takes seconds for a large one."""
    with contextlib.suppress(ValueError):
        return dict(json.loads(template))
    parsed: dict[str, Any] = _moto_parse_template(template)
    return parsed


_moto_parse_template = models.Stack.parse_template


def _raw_parameters(self: Any) -> dict[str, Any]:
    """Parameters as the caller passed them, before SSM resolved them: UsePreviousValue refers to these."""
    slots = (json.loads(json.dumps(self.template_dict)) or {}).get("Parameters", {})
    passed: dict[str, Any] = self.resource_map.input_parameters
    return {name: slot.get("Default") for name, slot in slots.items()} | passed
