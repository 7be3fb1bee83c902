"""SageMaker operations that exist here, and their one entry for the API, CloudFormation and Step Functions.

`install` routes moto's requests here; `call` checks every request, so that no caller can avoid the checks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core import errors
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import camelcase_to_underscores
from moto.sagemaker.exceptions import SagemakerClientError, ValidationError
from moto.sagemaker.models import SageMakerModelBackend, sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse

from localcloud.aws import faults
from localcloud.aws.hosting import validation
from localcloud.aws.hosting.records import Record
from localcloud.aws.hosting.store import LOCK, store

Handler = Callable[..., dict[str, Any]]
HANDLERS: dict[str, Handler] = {}


class ThrottlingError(SagemakerClientError):
    """The request was throttled."""

    code = "ThrottlingException"

    def __init__(self) -> None:
        super().__init__("Rate exceeded")


def handles(name: str) -> Callable[[Handler], Handler]:
    """Register the function that answers an operation, given the state and the operation's parameters."""

    def register(handler: Handler) -> Handler:
        HANDLERS[name] = handler
        return handler

    return register


def call(account: str, region: str, name: str, params: dict[str, Any]) -> dict[str, Any]:
    """Answer one request; raises moto's exceptions, which the API and CloudFormation turn into AWS's errors."""
    if faults.strikes("throttling", name):
        raise ThrottlingError
    validation.check(name, params)
    with LOCK:
        return HANDLERS[name](store(account, region), **params)


def missing(operation_name: str, message: str) -> SagemakerClientError:
    """Error for a name that does not exist: ResourceNotFound if the operation's model has it."""
    error_names = {shape.name for shape in validation.operation(operation_name).error_shapes}
    return (
        SagemakerClientError("ResourceNotFound", message)
        if "ResourceNotFound" in error_names
        else ValidationError(message)
    )


def taken(operation_name: str, message: str) -> SagemakerClientError:
    """Error for a name that exists already: ResourceInUse if the operation's model has it."""
    error_names = {shape.name for shape in validation.operation(operation_name).error_shapes}
    return (
        SagemakerClientError("ResourceInUse", message) if "ResourceInUse" in error_names else ValidationError(message)
    )


def listing(operation_name: str, records: list[dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
    """Filter, sort and paginate the answer of a List operation, whose members are those of botocore's model.

    Args:
        operation_name: Name of the operation, for example ListEndpoints.
        records: Descriptions of all resources.
        request: Parameters of the operation.
    """
    output = validation.operation(operation_name).output_shape
    member = next(name for name, shape in output.members.items() if shape.type_name == "list")
    summary = output.members[member].member
    keys = list(summary.members)
    name_key = next(key for key in keys if key.endswith("Name"))
    status_key = next((key for key in keys if key.endswith("Status") or key == "Status"), name_key)
    sort_key = {"Name": name_key, "Status": status_key}.get(request.get("SortBy", ""), "CreationTime")
    sort_key = request["SortBy"] if request.get("SortBy") in keys else sort_key
    matches = [record for record in records if _matches(record, request, name_key, status_key)]
    matches.sort(key=lambda record: record.get(sort_key) or record[name_key])
    if request.get("SortOrder", "Descending") == "Descending":
        matches.reverse()
    start = int(request.get("NextToken", "0"))
    end = start + int(request.get("MaxResults", 10))
    answer: dict[str, Any] = {member: [validation.pick(summary, record) for record in matches[start:end]]}
    return answer | ({"NextToken": str(end)} if end < len(matches) else {})


def _matches(record: dict[str, Any], request: dict[str, Any], name_key: str, status_key: str) -> bool:
    name = record[name_key].lower()
    after = request.get("CreationTimeAfter")
    before = request.get("CreationTimeBefore")
    return (
        all(request.get(key, "").lower() in name for key in ("NameContains", "OptimizationContains"))
        and request.get("StatusEquals") in (None, record.get(status_key))
        and request.get("EndpointNameEquals") in (None, record.get("EndpointName"))
        and request.get("VariantNameEquals") in (None, record.get("VariantName"))
        and (after is None or record["CreationTime"] > after)
        and (before is None or record["CreationTime"] < before)
    )


def _action(name: str) -> Callable[[SageMakerResponse], ActionResult]:
    def action(self: SageMakerResponse) -> ActionResult:
        result = call(self.current_account, self.region, name, dict(self._get_params()))
        return ActionResult(result) if result else EmptyResult()

    action.__name__ = camelcase_to_underscores(name)
    return action


def _resource_from_arn(self: SageMakerModelBackend, arn: str) -> Any:
    state = store(self.account_id, self.region_name)
    records: list[Record] = [*state.configs.values(), *state.endpoints.values(), *state.components.values()]
    records += [record for kind in state.jobs.values() for record in kind.values()]
    for record in records:
        if arn in record.data.values():
            return record
    for model in state.models().values():
        if model.arn == arn:
            return model
    return _moto_resource_from_arn(self, arn)


_moto_resource_from_arn = SageMakerModelBackend._get_resource_from_arn


def install() -> None:
    """Let moto's API answer with these operations."""
    for name in HANDLERS:
        setattr(SageMakerResponse, camelcase_to_underscores(name), _action(name))
    SageMakerModelBackend._get_resource_from_arn = _resource_from_arn
    errors.COMMON_ERROR_CODES = {*errors.COMMON_ERROR_CODES, "ThrottlingException"}


def delete_model(account: str, region: str, name: str) -> None:
    """Delete a model from moto, which keeps models."""
    sagemaker_backends[account][region].delete_model(name)
