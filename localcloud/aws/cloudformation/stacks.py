"""Stacks of moto: deployed in the background, each resource awaited, rolled back after a failure, and deleted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from moto.cloudformation import models
from moto.cloudformation.exceptions import ValidationError

from localcloud.aws.clock import clock
from localcloud.aws.cloudformation import exports
from localcloud.aws.cloudformation.deployment import Deployment, failure_of, text_of
from localcloud.aws.cloudformation.resources.base import cancelled
from localcloud.aws.cloudformation.templates import order
from localcloud.aws.settings import current

_NOT_UPDATABLE = frozenset(
    {
        "CREATE_FAILED",
        "DELETE_COMPLETE",
        "DELETE_FAILED",
        "ROLLBACK_COMPLETE",
        "ROLLBACK_FAILED",
        "UPDATE_ROLLBACK_FAILED",
    }
)
_NOTHING: dict[str, Any] = {"Resources": {}}
_DECIDING = threading.Lock()
"""Held while a creation is abandoned, and while its outcome is decided."""
_MOMENT_S = 60.0


def run(work: Callable[[], None], stack: Any) -> None:
    """Do the work in the background of a server, or of background work on a driven clock; without either, at once."""
    if current().base_url or clock().in_worker():
        clock().background(work, name=f"stack-{stack.name}")
    else:
        work()


def check_updatable(stack: Any) -> None:
    """Refuse to update a stack while something is in progress, before its creation, and in states that only a deletion or a rollback ends.

    Raises:
        ValidationError: The stack's status does not allow it.
    """
    if stack.status.endswith("_IN_PROGRESS") or stack.status in _NOT_UPDATABLE:
        raise ValidationError(message=f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated.")


def await_end(stack: Any, *, at_most_s: float) -> None:
    """Return when no operation on a stack is in progress, or after some seconds of real time."""
    began = time.monotonic()
    while stack.status.endswith("_IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS":
        if time.monotonic() > began + at_most_s:
            return
        time.sleep(0.02)


def deploy(stack: Any, verb: str, template: str, parameters: dict[str, Any]) -> None:
    """Bring a stack to a template, or back to its previous state if that fails."""
    deployment, before = Deployment(stack), (stack.template, stack.resource_map.input_parameters)
    old = models.Stack.parse_template(before[0]) if verb == "UPDATE" else _NOTHING
    new = models.Stack.parse_template(template)
    if verb == "CREATE":
        stack.template = template
    with _DECIDING:
        if stack.stack_id not in cancelled:
            stack.status = f"{verb}_IN_PROGRESS"
    stack._add_stack_event(f"{verb}_IN_PROGRESS", resource_status_reason="User Initiated")
    error = failure_of(lambda: deployment.apply(new, parameters))
    with _DECIDING:
        stack.__dict__["decided"] = True
        given_up = stack.__dict__.get("given_up")
    if given_up is not None:
        destroy(stack, given_up)
        return
    error = error or failure_of(lambda: exports.publish(stack, new))
    if error:
        _roll_back(stack, deployment, verb=verb, old=old, new=new, parameters=before[1], reason=text_of(error))
        return
    stack.template, stack.template_dict, stack.parameters = template, new, parameters
    stack.description = new.get("Description")
    if verb == "UPDATE":
        _finish(stack, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    if error := failure_of(lambda: deployment.clean_up(new, order(old))):  # as on AWS, this does not fail the update
        stack._add_stack_event("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", resource_status_reason=text_of(error))
    _finish(stack, f"{verb}_COMPLETE")


def cancel_creation(stack: Any, done: Callable[[], None]) -> bool:
    """Abandon the creation of a stack to delete it; what is being created is cancelled and removed with the rest.

    Args:
        stack: The stack.
        done: What is called when everything has been removed.

    Returns:
        Whether the stack is being created.
    """
    with _DECIDING:
        if stack.status == "CREATE_IN_PROGRESS" and not stack.__dict__.get("decided"):
            stack.__dict__["given_up"], stack.status = done, "DELETE_IN_PROGRESS"
            cancelled.add(stack.stack_id)
            return True
    if stack.status == "CREATE_IN_PROGRESS":  # only briefly: everything exists, or it is about to be rolled back
        clock().wait_until(lambda: stack.status != "CREATE_IN_PROGRESS", timeout_s=_MOMENT_S, what=stack.name)
    return False


def _roll_back(
    stack: Any,
    deployment: Deployment,
    *,
    verb: str,
    old: dict[str, Any],
    new: dict[str, Any],
    parameters: dict[str, Any],
    reason: str,
) -> None:
    prefix = "UPDATE_ROLLBACK" if verb == "UPDATE" else "ROLLBACK"
    _finish(stack, f"{prefix}_IN_PROGRESS", reason)
    deployment.undo_replacements()
    error = failure_of(lambda: deployment.apply(old, parameters if verb == "UPDATE" else {}))
    error = error or failure_of(lambda: deployment.clean_up(old, order(new), undone=True))
    if error:
        _finish(stack, f"{prefix}_FAILED", text_of(error))
    else:
        _finish(stack, f"{prefix}_COMPLETE", reason)


def delete(stack: Any, done: Callable[[], None], *, retained: Collection[str] = (), forced: bool = False) -> None:
    """Delete a stack in the background; one whose exports another stack imports is kept.

    Args:
        stack: The stack.
        done: What is called when everything has been removed.
        retained: Logical ids of resources that are kept.
        forced: Whether resources whose removal fails are kept.
    """
    before = stack.status
    stack.status = "DELETE_IN_PROGRESS"

    def work() -> None:
        refusal = exports.refusal_of_removal(stack)
        if not refusal:
            destroy(stack, done, retained=retained, forced=forced)
            return
        _finish(stack, "DELETE_IN_PROGRESS", "User Initiated")
        _finish(stack, before, refusal)

    run(work, stack)


def destroy(stack: Any, done: Callable[[], None], *, retained: Collection[str] = (), forced: bool = False) -> None:
    """Remove every resource, dependents first; arguments as for `delete`."""
    cancelled.discard(stack.stack_id)
    _finish(stack, "DELETE_IN_PROGRESS", "User Initiated")
    deployment = Deployment(stack)
    deployment.forget(retained)
    template = models.Stack.parse_template(stack.template) if stack.template else _NOTHING
    error = failure_of(lambda: deployment.clean_up(_NOTHING, order(template)))
    if error and not forced:
        _finish(stack, "DELETE_FAILED", text_of(error))
        return
    done()
    _finish(stack, "DELETE_COMPLETE")


def _finish(stack: Any, status: str, reason: str | None = None) -> None:
    stack._add_stack_event(status, resource_status_reason=reason)
    stack.stack_status_reason = reason
    stack.status = status
