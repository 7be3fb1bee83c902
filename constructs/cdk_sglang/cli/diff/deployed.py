"""The stacks of an environment as they are deployed: their templates from CloudFormation, read with the user's credentials."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import yaml

from cdk_sglang.cli.assembly import Stack
from cdk_sglang.cli.aws import client, fail, failures_of

_TAG: Final = "cdk-sglang:environment"
_NOT_DEPLOYED: Final = frozenset({"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_COMPLETE"})
"""States of stacks that hold nothing: a change set was never executed, or a first deployment failed
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html, read 2026-11)."""


class _TextLoader(yaml.SafeLoader):
    """Templates without dates: `2012-10-17` is a string in CloudFormation."""


_TextLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def deployed_stacks(stacks: Sequence[Stack], *, environment: str) -> tuple[list[Stack], list[Stack]]:
    """Return the deployed stacks of an environment, including those it no longer has, and its stacks with the Region that was read.

    Needs `cloudformation:DescribeStacks` and `cloudformation:GetTemplate`. A failure ends the command, and so do credentials of another account,
    in which nothing of the environment would be found.

    Args:
        stacks: Stacks that the environment will have.
        environment: Its name, which the tags of its stacks say.
    """
    regions = list(dict.fromkeys(stack.region for stack in stacks))
    _check_account({stack.account for stack in stacks} - {None}, region=regions[0] if regions else None)
    deployed: list[Stack] = []
    placed: list[Stack] = []
    for region in regions:
        cloudformation = client("cloudformation", region=region)
        actual = cloudformation.meta.region_name
        region_stacks = [stack for stack in stacks if stack.region == region]
        names = {stack.name for stack in region_stacks}
        with failures_of("cloudformation:DescribeStacks and GetTemplate"):
            deployed += [
                Stack(id=name, name=name, region=actual, template=_template(cloudformation, name))
                for name in _names(cloudformation, names, environment)
            ]
        placed += [dataclasses.replace(one, region=actual) for one in region_stacks]
    return deployed, placed


def _check_account(accounts: Collection[str | None], *, region: str | None) -> None:
    if not accounts:
        return
    sts = client("sts", region=region)
    with failures_of("sts:GetCallerIdentity"):
        mine = sts.get_caller_identity()["Account"]
    if mine not in accounts:
        owners = ", ".join(sorted(filter(None, accounts)))
        fail(
            f"diff: the environment belongs to account {owners}, the AWS credentials to {mine}; set AWS_PROFILE", code=2
        )


def _names(cloudformation: Any, names: set[str], environment: str) -> Iterator[str]:
    for page in cloudformation.get_paginator("describe_stacks").paginate():
        for stack in page["Stacks"]:
            tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", ())}
            mine = stack["StackName"] in names or tags.get(_TAG) == environment
            if mine and stack["StackStatus"] not in _NOT_DEPLOYED:
                yield stack["StackName"]


def _template(cloudformation: Any, name: str) -> Mapping[str, Any]:
    """Return a stack's template: boto3 parses JSON, and the CDK CLI sends small templates as YAML."""
    body = cloudformation.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
    if not isinstance(body, str):
        return dict(body)
    try:
        parsed = yaml.load(body, Loader=_TextLoader)  # noqa: S506  a SafeLoader
    except yaml.YAMLError as error:
        fail(f"diff: the template of {name} cannot be read: {error}; was it deployed by the CDK CLI?", code=1)
    return dict(parsed)
