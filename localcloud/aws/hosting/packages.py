"""Model registry: groups of model packages, their versions, and the approval of each."""

from __future__ import annotations

from typing import Any

from moto.sagemaker.exceptions import SagemakerClientError

from localcloud.aws.clock import clock
from localcloud.aws.hosting import validation
from localcloud.aws.hosting.operations import handles, listing
from localcloud.aws.hosting.records import Record
from localcloud.aws.hosting.store import Store
from localcloud.aws.hosting.validation import ValidationError

_GROUPS, _PACKAGES = "ModelPackageGroup", "ModelPackage"
_USER = {"UserProfileArn": "", "UserProfileName": "", "DomainId": ""}


def _group(state: Store, name: str) -> Record:
    found = state.jobs.get(_GROUPS, {}).get(name.rsplit("/", 1)[-1])
    if found is None:
        raise ValidationError(f"ModelPackageGroup {name} does not exist.")
    return found


def _packages(state: Store) -> dict[str, Record]:
    """Packages by ARN."""
    return state.jobs.setdefault(_PACKAGES, {})


def _package(state: Store, name: str) -> Record:
    found = _packages(state).get(name) or _packages(state).get(state.arn("model-package", name))
    if found is None:
        raise ValidationError(f"ModelPackage {name} does not exist")
    return found


def _shown(operation: str, data: dict[str, Any]) -> dict[str, Any]:
    return validation.pick(validation.operation(operation).output_shape, data)


@handles("CreateModelPackageGroup")
def create_group(state: Store, ModelPackageGroupName: str, **request: Any) -> dict[str, Any]:
    """Create a group of versions."""
    groups = state.jobs.setdefault(_GROUPS, {})
    if ModelPackageGroupName in groups:
        raise ValidationError(f"Model Package Group already exists: {ModelPackageGroupName}")
    arn = f"arn:aws:sagemaker:{state.region}:{state.account}:model-package-group/{ModelPackageGroupName}"
    data = request | {"ModelPackageGroupName": ModelPackageGroupName, "ModelPackageGroupArn": arn}
    data |= {"CreationTime": clock().utc(), "CreatedBy": _USER, "ModelPackageGroupStatus": "Completed", "_last": 0}
    groups[ModelPackageGroupName] = Record(data=data, tags=list(request.get("Tags", [])))
    return {"ModelPackageGroupArn": arn}


@handles("DescribeModelPackageGroup")
def describe_group(state: Store, ModelPackageGroupName: str) -> dict[str, Any]:
    """Describe a group."""
    return _shown("DescribeModelPackageGroup", _group(state, ModelPackageGroupName).data)


@handles("ListModelPackageGroups")
def list_groups(state: Store, **request: Any) -> dict[str, Any]:
    """List groups."""
    records = [record.data for record in state.jobs.get(_GROUPS, {}).values()]
    return listing("ListModelPackageGroups", records, request)


@handles("DeleteModelPackageGroup")
def delete_group(state: Store, ModelPackageGroupName: str) -> dict[str, Any]:
    """Delete a group that has no versions."""
    name = _group(state, ModelPackageGroupName).data["ModelPackageGroupName"]
    if any(package.data.get("ModelPackageGroupName") == name for package in _packages(state).values()):
        raise SagemakerClientError(
            "ConflictException", f"Model Package Group {name} cannot be deleted: it still contains model packages"
        )
    del state.jobs[_GROUPS][name]
    return {}


@handles("CreateModelPackage")
def create_package(state: Store, **request: Any) -> dict[str, Any]:
    """Create a version of a group, or a package without one."""
    if ("ModelPackageName" in request) == ("ModelPackageGroupName" in request):
        raise ValidationError("Exactly one of ModelPackageName and ModelPackageGroupName must be provided.")
    now = clock().utc()
    data = request | {
        "CreationTime": now,
        "LastModifiedTime": now,
        "CreatedBy": _USER,
        "ModelPackageStatus": "Completed",
    }
    data["ModelPackageStatusDetails"] = {"ValidationStatuses": []}
    if "ModelPackageGroupName" in request:
        group = _group(state, request["ModelPackageGroupName"]).data
        group["_last"] += 1
        name, version = group["ModelPackageGroupName"], group["_last"]
        arn = f"arn:aws:sagemaker:{state.region}:{state.account}:model-package/{name}/{version}"
        data |= {"ModelPackageGroupName": name, "ModelPackageVersion": version}
        data.setdefault("ModelApprovalStatus", "PendingManualApproval")
    else:
        arn = f"arn:aws:sagemaker:{state.region}:{state.account}:model-package/{request['ModelPackageName']}"
        if arn in _packages(state):
            raise SagemakerClientError("ConflictException", f"Model Package already exists: {arn}")
    _packages(state)[arn] = Record(data=data | {"ModelPackageArn": arn}, tags=list(request.get("Tags", [])))
    return {"ModelPackageArn": arn}


@handles("DescribeModelPackage")
def describe_package(state: Store, ModelPackageName: str, **_: Any) -> dict[str, Any]:
    """Describe a package, by its name or its ARN."""
    data = _package(state, ModelPackageName).data
    return _shown("DescribeModelPackage", {"ModelPackageName": data["ModelPackageArn"].split("/")[1]} | data)


@handles("UpdateModelPackage")
def update_package(state: Store, ModelPackageArn: str, **request: Any) -> dict[str, Any]:
    """Approve or reject a version, and change its further properties."""
    data = _package(state, ModelPackageArn).data
    properties = dict(data.get("CustomerMetadataProperties", {})) | request.pop("CustomerMetadataProperties", {})
    for name in request.pop("CustomerMetadataPropertiesToRemove", []):
        properties.pop(name, None)
    data |= request | {"CustomerMetadataProperties": properties, "LastModifiedTime": clock().utc()}
    return {"ModelPackageArn": data["ModelPackageArn"]}


@handles("ListModelPackages")
def list_packages(state: Store, **request: Any) -> dict[str, Any]:
    """List the versions of a group, or the packages without one."""
    group = request.get("ModelPackageGroupName", "").rsplit("/", 1)[-1]
    kind = request.get("ModelPackageType", "Versioned" if group else "Unversioned")
    approval = request.get("ModelApprovalStatus")
    records = []
    for record in _packages(state).values():
        versioned = "ModelPackageVersion" in record.data
        if kind != "Both" and versioned != (kind == "Versioned"):
            continue
        if group and record.data.get("ModelPackageGroupName") != group:
            continue
        if approval in (None, record.data.get("ModelApprovalStatus")):
            records.append({"ModelPackageName": record.data["ModelPackageArn"].split("/")[1]} | record.data)
    return listing("ListModelPackages", records, request)


@handles("DeleteModelPackage")
def delete_package(state: Store, ModelPackageName: str) -> dict[str, Any]:
    """Delete a package; the number of a deleted version is not reused."""
    del _packages(state)[_package(state, ModelPackageName).data["ModelPackageArn"]]
    return {}
