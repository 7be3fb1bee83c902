"""Stacks that already exist, and names that are already taken."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from botocore.exceptions import ClientError

from cdk_sglang.cli.doctor.account import Account, code_of, message_of
from cdk_sglang.cli.doctor.check import Check, Finding, failure, ok, warning
from cdk_sglang.environments.account_needs import EndpointNeeds, Needs

_MADE_AGAIN: Final = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS"}
"""States of a stack that was never complete: it cannot be updated, and the CDK CLI deletes it and creates it anew (aws-cdk 2.1148,
`isCreationFailure`); of a stack in review nothing exists yet."""
_UPDATABLE: Final = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}
"""The stable states of https://docs.aws.amazon.com/goto/WebAPI/cloudformation-2010-05-15/RollbackStack (read 2026-11)."""
_PAUSED: Final = "roll it back, then deploy again: cdk rollback -c env={environment}; or deploy with --no-rollback"
_NEXT: Final = {
    "CREATE_FAILED": _PAUSED,
    "UPDATE_FAILED": _PAUSED,
    "UPDATE_ROLLBACK_FAILED": "continue its rollback: aws cloudformation continue-update-rollback --stack-name {stack}",
    "DELETE_FAILED": "read its events, then delete it: aws cloudformation delete-stack --stack-name {stack}",
}

_FAILED: Final = "Failed"
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html, EndpointStatus (read 2026-12)."""


def checks(needs: Needs, account: Account) -> Iterator[Check]:
    """Yield the checks of stacks and names.

    Args:
        needs: What the environment needs.
        account: The account.
    """
    yield Check(name="stacks", look=partial(_stacks, needs, account))
    for endpoint in needs.endpoints:
        yield Check(name=f"names: {endpoint.name}", look=partial(_names, endpoint, account))
    yield Check(name="names: log groups", look=partial(_log_groups, needs, account))
    yield Check(name="names: image repository", look=partial(_repository, needs, account))


def _stacks(needs: Needs, account: Account) -> Finding:
    states = {name: state for name in needs.stack_names if (state := _state(name, account)) is not None}
    bad = {name: state for name, state in states.items() if state not in _UPDATABLE | _MADE_AGAIN}
    again = {name: state for name, state in states.items() if state in _MADE_AGAIN}
    if bad:
        (name, state), *_ = bad.items()
        step = (
            "wait until it has ended"
            if state.endswith("_IN_PROGRESS")
            else "read its events in the console, and fix the cause"
        )
        return failure(_listed(bad), _NEXT.get(state, step).format(stack=name, environment=needs.environment))
    if again:
        return warning(
            f"{_listed(again)}: it was never complete, so the CDK CLI deletes it and creates it again",
            f"read first why it failed: aws cloudformation describe-stack-events --stack-name {next(iter(again))}",
        )
    new = len(needs.stack_names) - len(states)
    return ok(f"{len(states)} can be updated, {new} are new")


def _listed(states: dict[str, str]) -> str:
    return ", ".join(f"{name} is {state}" for name, state in states.items())


def _state(name: str, account: Account) -> str | None:
    try:
        (stack, *_) = account.call("cloudformation", "describe_stacks", StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in message_of(error):
            return None
        raise
    return str(stack["StackStatus"])


def _names(endpoint: EndpointNeeds, account: Account) -> Finding:
    """Check that no endpoint or component has a name that the stack would give."""
    own = {physical.rpartition("/")[2].lower() for physical in account.stack_resources(endpoint.stack_name)}
    lookups = {
        endpoint.endpoint_name: ("describe_endpoint", "EndpointName", "endpoint"),
        **dict.fromkeys(
            endpoint.component_names, ("describe_inference_component", "InferenceComponentName", "component")
        ),
    }
    if endpoint.endpoint_name.lower() in own:
        state = account.call("sagemaker", "describe_endpoint", EndpointName=endpoint.endpoint_name)["EndpointStatus"]
        if state == _FAILED:
            return failure(
                f"endpoint {endpoint.endpoint_name} is {state}, and SageMaker allows nothing but its deletion",
                f"read its FailureReason, then delete its stack and deploy again: aws cloudformation delete-stack --stack-name {endpoint.stack_name}",
            )
    taken = []
    for name, (operation, key, kind) in lookups.items():
        if name.lower() in own:  # SageMaker writes names in lower case in ARNs, which are the physical ids
            continue
        try:
            account.call("sagemaker", operation, **{key: name})
        except ClientError as error:
            if code_of(error) != "ValidationException":  # SageMaker's "Could not find"
                raise
            continue
        taken.append(f"{kind} {name}")
    if taken:
        return failure(
            f"there is {', '.join(taken)} already, which is not of stack {endpoint.stack_name}",
            "delete it, or rename the endpoint in the environment's file: two cannot have one name in a Region",
        )
    return ok(
        f"{endpoint.endpoint_name} and its components ({len(endpoint.component_names)}) are free, or the stack's own"
    )


def _log_groups(needs: Needs, account: Account) -> Finding:
    taken = []
    for endpoint in needs.endpoints:
        own = account.stack_resources(endpoint.stack_name)
        for name in endpoint.log_groups:
            if name in own:
                continue
            found = account.pages("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=name)
            taken += [name for one in found if one["logGroupName"] == name]
    if taken:
        return warning(
            f"{', '.join(taken)} exist outside of the stacks; they outlived one, or SageMaker made them",
            f"cdk-sglang deploy --env {needs.environment} imports them; a plain cdk deploy needs --import-existing-resources",
        )
    return ok("none exists outside of the stacks")


def _repository(needs: Needs, account: Account) -> Finding:
    name = needs.images_repository
    if name in account.stack_resources(needs.foundation_stack):
        return ok(f"{name} is the foundation's")
    try:
        account.call("ecr", "describe_repositories", repositoryNames=[name])
    except ClientError as error:
        if code_of(error) != "RepositoryNotFoundException":
            raise
        return ok(f"{name} is free")
    return warning(
        f"{name} exists outside of the foundation; it outlived one",
        f"cdk-sglang deploy --env {needs.environment} imports it; a plain cdk deploy needs --import-existing-resources",
    )
