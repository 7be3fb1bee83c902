"""Change sets: how the CDK CLI deploys. Repairs moto's change sets, whose names are unique in the account and which are never refused."""

from __future__ import annotations

from typing import Any

from moto.cloudformation import models
from moto.cloudformation.exceptions import AlreadyExistsException, ValidationError
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.responses import ActionResult, EmptyResult

from localcloud.aws.cloudformation import stacks, updates
from localcloud.aws.cloudformation.templates import check

_NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
_moto_create_change_set = models.CloudFormationBackend.create_change_set
_moto_answer_create_change_set = CloudFormationResponse.create_change_set


class ChangeSetNotFoundError(ValidationError):
    """The change set does not exist; the CDK CLI relies on the error code."""

    code = "ChangeSetNotFound"


class InvalidChangeSetStatusError(ValidationError):
    """The change set cannot be executed, or can no longer be executed."""

    code = "InvalidChangeSetStatus"


def install() -> None:
    """Replace moto's change sets by these."""
    backend, response = models.CloudFormationBackend, CloudFormationResponse
    backend.create_change_set = _create
    backend.execute_change_set = _execute
    backend.describe_change_set = _describe
    backend.delete_change_set = _delete
    response.create_change_set = _answer_create
    response.describe_change_set = _answer_describe
    response.delete_change_set = _answer_delete
    response.list_change_sets = _answer_list
    models.ChangeSet._parse_template = _parse_template


def expire(backend: Any, stack: Any) -> None:
    """Prevent the execution of the change sets of a stack that has been updated."""
    for change_set in list(backend.change_sets.values()):
        if change_set.stack_id == stack.stack_id and change_set.execution_status == "AVAILABLE":
            change_set.execution_status = "OBSOLETE"


def _create(self: Any, stack_name: str, change_set_type: str, **options: Any) -> tuple[str, str]:
    """Create a change set; the first one of type CREATE creates its stack, which waits for an execution."""
    check(options["template"])
    present = next((one for one in list(self.stacks.values()) if stack_name in (one.name, one.stack_id)), None)
    if present is not None:
        _refuse_taken(self, present, options["change_set_name"])
    if change_set_type == "CREATE" and present is not None and present.status != "REVIEW_IN_PROGRESS":
        message = f"Stack [{stack_name}] already exists and cannot be created again with the changeSet [{options['change_set_name']}]."
        raise ValidationError(message=message)
    name = stack_name if present is None else present.name
    ids: tuple[str, str] = _moto_create_change_set(self, stack_name=name, change_set_type=change_set_type, **options)
    change_set = self.change_sets[ids[0]]
    if change_set_type == "CREATE":
        if present is not None:  # moto has recreated the stack
            del self.stacks[change_set.stack_id]
            change_set.stack, change_set.stack_id = present, present.stack_id
    elif updates.changes_anything(present, options["template"], options["parameters"], options.get("tags")):
        change_set.status, change_set.execution_status, change_set.status_reason = "CREATE_COMPLETE", "AVAILABLE", None
    else:
        change_set.status, change_set.execution_status = "FAILED", "UNAVAILABLE"
        change_set.status_reason = _NO_CHANGES
    return change_set.change_set_id, change_set.stack_id


def _refuse_taken(backend: Any, stack: Any, name: str) -> None:
    """Refuse a second change set with a name, unless the first one has been executed or cannot be."""
    for change_set in list(backend.change_sets.values()):
        if _is(change_set, name, stack.stack_id) and change_set.execution_status == "AVAILABLE":
            raise AlreadyExistsException(f"ChangeSet {change_set.change_set_id} already exists")


def _execute(self: Any, change_set_name: str, stack_name: str | None = None) -> None:
    change_set = self.describe_change_set(change_set_name, stack_name)
    refused = f"ChangeSet [{change_set.change_set_id}] cannot be executed in its current"
    if change_set.status != "CREATE_COMPLETE":
        raise InvalidChangeSetStatusError(message=f"{refused} status of [{change_set.status}]")
    if change_set.execution_status != "AVAILABLE":
        raise InvalidChangeSetStatusError(message=f"{refused} execution status of [{change_set.execution_status}]")
    stack = self.stacks[change_set.stack_id]
    if change_set.change_set_type != "CREATE":
        stacks.check_updatable(stack)
    expire(self, stack)
    change_set.execution_status = "EXECUTE_COMPLETE"
    stack.tags = change_set.tags or stack.tags
    stack.status = f"{change_set.change_set_type}_IN_PROGRESS"  # the CLI reads the status at once
    kind, template, parameters = change_set.change_set_type, change_set.template, change_set.parameters
    stacks.run(lambda: stacks.deploy(stack, kind, template, parameters), stack)


def _describe(self: Any, change_set_name: str, stack_name: str | None = None) -> Any:
    """Find a change set of a stack: names are unique within a stack only, and the CDK CLI uses one name for all stacks."""
    for change_set in reversed(self.change_sets.values()):
        if _is(change_set, change_set_name, stack_name):
            return change_set
    raise ChangeSetNotFoundError(message=f"ChangeSet [{change_set_name}] does not exist")


def _is(change_set: Any, name: str, stack: str | None) -> bool:
    if name == change_set.change_set_id:
        return True
    return name == change_set.change_set_name and stack in (None, change_set.stack_name, change_set.stack_id)


def _delete(self: Any, change_set_name: str, stack_name: str | None = None) -> None:
    if stack_name is not None and not any(stack_name in (one.name, one.stack_id) for one in list(self.stacks.values())):
        raise ValidationError(message=f"Stack [{stack_name}] does not exist")
    for change_set_id, change_set in list(self.change_sets.items()):
        if _is(change_set, change_set_name, stack_name):
            del self.change_sets[change_set_id]


def _answer_create(self: CloudFormationResponse) -> ActionResult:
    """Check stack and parameters before moto reads them, since moto raises errors that AWS does not have."""
    parameters, body, previous = self._get_param("Parameters", []), self._get_param("TemplateBody"), {}
    if self._get_param("ChangeSetType", "CREATE") == "UPDATE":
        stack = self.cloudformation_backend.get_stack(self._get_param("StackName"))
        stacks.check_updatable(stack)
        self.validate_template_and_stack_body()
        previous = stack.stack_parameters
        if self._get_bool_param("UsePreviousTemplate", False):
            body = stack.template
    if address := self._get_param("TemplateURL"):
        body = self._get_stack_from_s3_url(address)
    if body:
        updates.parameters_of(body, parameters, previous=previous)
    answer: ActionResult = _moto_answer_create_change_set(self)
    return answer


def _answer_describe(self: CloudFormationResponse) -> ActionResult:
    found = self.cloudformation_backend.describe_change_set(
        self._get_param("ChangeSetName"), self._get_param("StackName")
    )
    return ActionResult(found)


def _answer_delete(self: CloudFormationResponse) -> ActionResult:
    self.cloudformation_backend.delete_change_set(self._get_param("ChangeSetName"), self._get_param("StackName"))
    return EmptyResult()


def _answer_list(self: CloudFormationResponse) -> ActionResult:
    stack = self.cloudformation_backend.get_stack(self._get_param("StackName"))
    every = self.cloudformation_backend.list_change_sets()
    return ActionResult({"Summaries": [one for one in list(every) if one.stack_id == stack.stack_id]})


def _parse_template(self: Any) -> None:
    self.template_dict = models.Stack.parse_template(self.template)
