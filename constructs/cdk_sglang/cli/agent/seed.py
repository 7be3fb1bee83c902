"""`cdk-sglang agent seed`: invented patients into the table of the reference tools."""

from __future__ import annotations

from typing import Annotated

import typer

from cdk_sglang.agents.patients import synthetic_patients
from cdk_sglang.cli.agent.outputs import output_of, stack_outputs
from cdk_sglang.cli.aws import failures_of, resource
from cdk_sglang.cli.environment_option import env_option
from cdk_sglang.cli.output import stdout
from cdk_sglang.cli.region import region_of


def seed(
    env: Annotated[str, env_option("Environment, such as dev.")],
    *,
    count: Annotated[int, typer.Option("--count", min=1, max=10_000, help="Number of patients.")] = 40,
    number: Annotated[int, typer.Option("--seed", min=0, help="A different number gives different patients.")] = 0,
    region: Annotated[
        str | None,
        typer.Option(help="Region; by default that of the environment's file, else that of your AWS settings."),
    ] = None,
) -> None:
    """Write invented patients; the same command writes the same ones again, and nothing else in the table changes.

    None of them exists. Exit code 1: the agent is not deployed, has no reference tools, or AWS refuses.
    """
    region = region_of(env, region)
    table = output_of(stack_outputs(env, region), "PatientsTable", env=env, setting="agent: {tools: {reference: true}}")
    with (
        failures_of("dynamodb:BatchWriteItem"),
        resource("dynamodb", region=region).Table(table).batch_writer() as batch,
    ):
        for patient in synthetic_patients(count, seed=number):
            batch.put_item(Item=patient)
    stdout().print(f"{table}: {count} invented patients", soft_wrap=True, highlight=False)
