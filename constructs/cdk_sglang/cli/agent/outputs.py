"""What the stack of an environment's agent has created, from its CloudFormation outputs."""

from __future__ import annotations

import re
from typing import Final

from cdk_sglang.cli.aws import client, fail, failures_of
from cdk_sglang.cli.environment_option import environments_folder
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.spec.kinds import NAME_PATTERN, NAME_WORDS

_STACK: Final = "cdk-sglang-{}-agent"


def stack_outputs(env: str, region: str | None) -> dict[str, str]:
    """Return the outputs of an environment's agent, by name; end the command if it is not deployed.

    Args:
        env: The environment.
        region: Region; that of the AWS settings by default.

    Raises:
        ConfigurationError: `env` is not the name of an environment.
    """
    if not re.fullmatch(NAME_PATTERN, env):
        raise ConfigurationError([Problem("--env", f"{env!r} is not allowed; use {NAME_WORDS}")])
    from botocore.exceptions import ClientError

    cloudformation = client("cloudformation", region=region)
    name = _STACK.format(env)
    with failures_of("cloudformation:DescribeStacks"):
        try:
            (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            fail(
                f"{env}: there is no agent in {cloudformation.meta.region_name}; write `agent: {{enabled: true, component: …}}` in "
                f"{environments_folder() / env}.yaml and deploy, or give another --region",
                code=1,
            )
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}


def output_of(outputs: dict[str, str], name: str, *, env: str, setting: str) -> str:
    """Return one output; end the command if the agent has no such part.

    Args:
        outputs: The outputs.
        name: Name of the wanted one.
        env: The environment, for the message.
        setting: What the environment file would have to say.
    """
    if name not in outputs:
        fail(
            f"{env}: its agent has no {name}; that takes `{setting}` in {environments_folder() / env}.yaml and a deployment",
            code=1,
        )
    return outputs[name]
