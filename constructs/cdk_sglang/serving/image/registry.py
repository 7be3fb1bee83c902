"""Registries of images: AWS's own in each Region, and the permission to pull from a repository."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_sglang import hardware
from cdk_sglang.errors import Problem
from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.statements import allow_in_role
from cdk_sglang.spec.container_base import ContainerBase

_DLC_REPOSITORY: Final = "sglang"


def grant_pull(scope: Construct, role: iam.IRole, repository_arn: str) -> None:
    """Let the execution role of an endpoint, which is the scope, pull from one repository."""
    pull = iam.PolicyStatement(actions=list(permissions.PULL_IMAGE), resources=[repository_arn])
    login = iam.PolicyStatement(actions=list(permissions.REGISTRY_LOGIN), resources=["*"])
    allow_in_role(scope, role, "PullImage", pull)
    allow_in_role(scope, role, "RegistryLogin", login)


def dlc_region_problems(region: str) -> list[Problem]:
    """Return a problem if AWS publishes no deep learning containers in a Region; empty otherwise."""
    if hardware.dlc_account(region) is not None:
        return []
    from aws_cdk import region_info

    if region_info.RegionInfo.get(region).dlc_repository_account is not None:
        return []
    return [
        Problem(
            "",
            f"AWS publishes no deep learning containers in {region}; "
            "copy the image to a repository of yours and use from_repository",
        )
    ]


def dlc_registry(stack: cdk.Stack) -> str:
    """Return the host name of AWS's registry in a stack's Region."""
    return f"{_dlc_account(stack)}.dkr.ecr.{stack.region}.{stack.url_suffix}"


def dlc_repository_arn(stack: cdk.Stack) -> str:
    """Return the ARN of the SGLang repository in that registry."""
    return stack.format_arn(
        service="ecr", account=_dlc_account(stack), resource="repository", resource_name=_DLC_REPOSITORY
    )


def base_reference(base: ContainerBase, stack: cdk.Stack) -> str:
    """Return the reference of a base image for `FROM`, in a stack's Region."""
    return f"{dlc_registry(stack)}/{base.name}" if base.is_dlc else base.name


def _dlc_account(stack: cdk.Stack) -> str:
    """Return the account of AWS's deep learning containers in a stack's Region, looked up at deployment if the Region is unknown at synth."""
    known = hardware.dlc_account(stack.region)
    if known is not None:
        return known
    from aws_cdk import region_info

    return stack.regional_fact(region_info.FactName.DLC_REPOSITORY_ACCOUNT)
