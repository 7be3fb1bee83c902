"""The `cdk-sglang` command: one typer application, one module per command.

Exit codes: 0 success; 1 failure or a negative answer; 2 wrong usage or bad settings. Errors go to stderr, one line per problem.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from cdk_sglang.cli import (
    adapters,
    ask,
    capacity,
    chat,
    costs,
    deploy,
    destroy,
    grafana,
    image,
    models,
    plan,
    predict,
    prices,
    show,
    synth,
    weights,
)
from cdk_sglang.cli.agent import app as agent
from cdk_sglang.cli.bench import app as bench
from cdk_sglang.cli.console import command as console
from cdk_sglang.cli.diff import command as diff
from cdk_sglang.cli.doctor import command as doctor
from cdk_sglang.cli.eagle import app as eagle
from cdk_sglang.cli.importing import command as importing
from cdk_sglang.cli.init import command as init
from cdk_sglang.cli.mcp import command as mcp
from cdk_sglang.cli.running import run
from cdk_sglang.cli.status import command as status
from cdk_sglang.cli.usage import OneLineErrors
from cdk_sglang.engine.releases import SGLANG_VERSION


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"cdk-sglang {version('cdk-sglang')}, plans for SGLang {SGLANG_VERSION}")
        raise typer.Exit


app = typer.Typer(
    name="cdk-sglang",
    cls=OneLineErrors,
    help="Plan, predict and look up SGLang deployments on Amazon SageMaker.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Plan, predict and look up SGLang deployments on Amazon SageMaker."""


app.command("init")(init.init)
app.command("import")(importing.import_endpoint)
app.command("predict")(predict.predict)
app.command("plan")(plan.plan)
app.command("show")(show.show)
app.command("synth")(synth.synth)
app.command("ask")(ask.ask)
app.command("doctor")(doctor.doctor)
app.command("chat")(chat.chat)
app.command("deploy")(deploy.deploy)
app.command("destroy")(destroy.destroy)
app.command("diff")(diff.diff)
app.command("status")(status.status)
app.command("console")(console.console)
app.command("grafana")(grafana.grafana)
app.command("mcp")(mcp.mcp)
app.command("costs")(costs.costs)
app.add_typer(models.app, name="models")
app.add_typer(prices.app, name="prices")
app.add_typer(weights.app, name="weights")
app.add_typer(adapters.app, name="adapters")
app.add_typer(capacity.app, name="capacity")
app.add_typer(image.app, name="image")
app.add_typer(bench.app, name="bench")
app.add_typer(eagle.app, name="eagle")
app.add_typer(agent.app, name="agent")


def main() -> None:
    """Run the command; user errors are printed on stderr with exit code 2, never as a traceback."""
    run(app)
