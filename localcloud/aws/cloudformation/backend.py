"""Repairs of moto's CloudFormation backend, so that `stacks` deploys, and the flow of the CDK CLI works."""

from __future__ import annotations

import contextlib
import functools
import json
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

from localcloud.aws.cloudformation import names, stacks, updates
from localcloud.aws.cloudformation.templates import references, sub_variables

_Backend = models.CloudFormationBackend


class ChangeSetNotFoundError(ValidationError):
    """The change set does not exist; the CDK CLI relies on the error code."""

    code = "ChangeSetNotFound"


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
    _check(template)
    stack = _new_stack(self, name, options | {"parameters": parameters})
    stack.template = template
    stacks.run(lambda: stacks.deploy(stack, "CREATE", template, parameters), stack)
    return stack


def _update_stack(self: Any, name: str, template: str, *, role_arn: str | None, parameters: Any, tags: Any) -> Any:
    stack = self.get_stack(name)
    _idle(stack)
    _check(template)
    resolved = updates.parameters_of(stack, template, parameters)
    stack.role_arn, stack.tags = role_arn or stack.role_arn, stack.tags if tags is None else tags
    stacks.run(lambda: stacks.deploy(stack, "UPDATE", template, resolved), stack)
    return stack


def _validate_update(self: CloudFormationResponse, given: Any, body: str | None, stack: Any) -> None:
    _idle(stack)
    # A change set whose template has an address is compared when it is executed.
    if body is not None and not self._get_param("Tags"):
        updates.check_changes(stack, body, given or [])


def _create_change_set(self: Any, stack_name: str, change_set_type: str, **options: Any) -> tuple[str, str]:
    if change_set_type == "CREATE":
        for stack_id, stack in list(self.stacks.items()):
            if stack.name == stack_name and stack.status == "REVIEW_IN_PROGRESS":
                del self.stacks[stack_id]  # an earlier change set that was never executed
            elif stack.name == stack_name:
                raise ValidationError(message=f"Stack [{stack_name}] already exists and cannot be created again")
    else:
        _idle(self.get_stack(stack_name))
    _check(options["template"])
    answer: tuple[str, str] = _moto_create_change_set(
        self, stack_name=stack_name, change_set_type=change_set_type, **options
    )
    return answer


def _execute_change_set(self: Any, change_set_name: str, stack_name: str | None = None) -> None:
    change_set = self.describe_change_set(change_set_name, stack_name)
    stack = self.stacks[change_set.stack_id]
    _idle(stack)
    change_set.execution_status = "EXECUTE_COMPLETE"
    stack.tags = change_set.tags or stack.tags
    stack.status = f"{change_set.change_set_type}_IN_PROGRESS"  # the CLI asks for the status at once
    kind, template, parameters = change_set.change_set_type, change_set.template, change_set.parameters
    stacks.run(lambda: stacks.deploy(stack, kind, template, parameters), stack)


def _describe_change_set(self: Any, change_set_name: str, stack_name: str | None = None) -> Any:
    """Find a change set of a stack: names are unique within a stack only, and the CDK CLI uses one name for all stacks."""
    for change_set in reversed(self.change_sets.values()):
        if _is(change_set, change_set_name, stack_name):
            return change_set
    raise ChangeSetNotFoundError(message=f"ChangeSet [{change_set_name}] does not exist")


def _is(change_set: Any, name: str, stack: str | None) -> bool:
    if name == change_set.change_set_id:
        return True
    return name == change_set.change_set_name and stack in (None, change_set.stack_name, change_set.stack_id)


def _delete_change_set(self: Any, change_set_name: str, stack_name: str | None = None) -> None:
    for change_set_id, change_set in list(self.change_sets.items()):
        if _is(change_set, change_set_name, stack_name):
            del self.change_sets[change_set_id]


def _answer_describe_change_set(self: CloudFormationResponse) -> ActionResult:
    found = self.cloudformation_backend.describe_change_set(
        self._get_param("ChangeSetName"), self._get_param("StackName")
    )
    return ActionResult(found)


def _answer_delete_change_set(self: CloudFormationResponse) -> ActionResult:
    self.cloudformation_backend.delete_change_set(self._get_param("ChangeSetName"), self._get_param("StackName"))
    return EmptyResult()


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


def _delete_stack(self: Any, name_or_stack_id: str) -> None:
    for stack in list(self.stacks.values()):
        if name_or_stack_id in (stack.name, stack.stack_id):
            done = functools.partial(_forget, self, stack)
            if stack.status == "DELETE_IN_PROGRESS" or stacks.cancel_creation(stack, done):
                continue
            if stack.status.endswith("_IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS":
                raise ValidationError(message=f"Stack [{stack.name}] cannot be deleted while in status {stack.status}")
            stack.status = "DELETE_IN_PROGRESS"
            stacks.run(functools.partial(stacks.destroy, stack, done), stack)


def _forget(backend: Any, stack: Any) -> None:
    backend.stacks.pop(stack.stack_id, None)
    backend.deleted_stacks[stack.stack_id] = stack
    for change_set_id, change_set in list(backend.change_sets.items()):
        if change_set.stack_id == stack.stack_id:
            del backend.change_sets[change_set_id]
    for name, export in list(backend.exports.items()):
        if export.exporting_stack_id == stack.stack_id:
            del backend.exports[name]


def _idle(stack: Any) -> None:
    if stack.status.endswith("_IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS":
        raise ValidationError(message=f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated.")


def _check(template: str) -> None:
    body = models.Stack.parse_template(template)
    if not body.get("Resources"):
        raise ValidationError(message="Template format error: At least one Resources member must be defined.")
    known = {*body["Resources"], *body.get("Parameters", {}), *sub_variables(body["Resources"])}
    unknown = sorted(name for name in references(body["Resources"]) - known if "::" not in name)
    if unknown:
        message = (
            f"Template format error: Unresolved resource dependencies {unknown} in the Resources block of the template"
        )
        raise ValidationError(message=message)


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


_moto_create_change_set = _Backend.create_change_set
_moto_describe_stacks = CloudFormationResponse.describe_stacks
_CDK_CLI = "aws-cdk"
_LATE_S = 20.0


def install() -> None:
    """Replace moto's handling of stacks by this one."""
    _Backend.create_stack = _create_stack
    _Backend.update_stack = _update_stack
    _Backend.create_change_set = _create_change_set
    _Backend.execute_change_set = _execute_change_set
    _Backend.describe_change_set = _describe_change_set
    _Backend.delete_change_set = _delete_change_set
    _Backend.delete_stack = _delete_stack
    CloudFormationResponse._validate_different_update = _validate_update
    CloudFormationResponse.describe_stacks = _answer_describe_stacks
    CloudFormationResponse.describe_change_set = _answer_describe_change_set
    CloudFormationResponse.delete_change_set = _answer_delete_change_set
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
    """Parse a template; JSON, which CDK writes, is parsed as JSON: moto's parser of YAML takes seconds for a large one."""
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
