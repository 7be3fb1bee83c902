"""The commands below `cdk-sglang agent`."""

from __future__ import annotations

import typer

from cdk_sglang.cli.agent import evaluate, invoke, package, seed

app = typer.Typer(
    help="The optional agent: talk to it, evaluate a model with its conversations, package its code, and fill the table of its tools with invented patients.",
    no_args_is_help=True,
)
app.command("invoke")(invoke.invoke)
app.command("chat")(invoke.chat)
app.command("eval")(evaluate.evaluate)
app.command("package")(package.package)
app.command("seed")(seed.seed)
