"""Composition root: creates the stacks of one environment (`-c env=<name>`)."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    # Before CDK is loaded, which takes a second: Ctrl-C then ends a synth at once, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # CDK's stack traces point into the process that jsii starts, and name no line of this app.
    os.environ.setdefault("CDK_DISABLE_STACK_TRACE", "1")

import aws_cdk as cdk

from cdk_sglang import ConfigurationError
from cdk_sglang.cli.output import stdout
from cdk_sglang.environments.location import ENVIRONMENTS, locate
from cdk_sglang.environments.own import own_facts
from cdk_sglang.environments.reading import cdk_json_context, load
from cdk_sglang.errors import PlanRefusedError
from stacks.checks import add_checks
from stacks.fleet import add_fleet
from stacks.report import print_fleet, write_plan


def main() -> int:
    """Synthesise the environment that the context value `env` names (`local` by default): a name in the folder `environments`, or a file path.

    The user's own models, prices and measurements are read from the same folder.
    """
    app = cdk.App(context=cdk_json_context())
    context_folder = app.node.try_get_context("environments")
    try:
        place = locate(
            str(app.node.try_get_context("env") or "local"),
            Path(context_folder) if context_folder else None,
            option="-c env",
        )
        name, folder = place.name, place.folder or ENVIRONMENTS
        settings = load(name, folder=folder)
        own = own_facts(settings, name=name, folder=folder)
        env = cdk.Environment(
            account=settings.account or os.environ.get("CDK_DEFAULT_ACCOUNT"),
            region=settings.region or os.environ.get("CDK_DEFAULT_REGION"),
        )
        fleet = add_fleet(app, name=name, settings=settings, source=str(place.file), env=env, own=own)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 1 if isinstance(error, PlanRefusedError) else 2
    add_checks(app)
    assembly = app.synth()
    resolved = fleet.resolved
    write_plan(Path(assembly.directory), request=resolved.request, plan=resolved.plan)
    report = app.node.try_get_context("report")
    if report:
        print_fleet(
            stdout(width=int(report) if str(report).isdecimal() else 140),
            name=name,
            endpoints=[stack.endpoint for stack in fleet.stacks],
            plan=resolved.plan,
            unplanned=resolved.unplanned,
            templates=[stack.template_full_path for stack in assembly.stacks],
            page=Path(assembly.directory) / "plan.html",
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
