"""`cdk-sglang mcp`: serve the tools on stdin and stdout, or over HTTP on loopback."""

from __future__ import annotations

from typing import Annotated

import typer

from cdk_sglang.cli.usage import OneLineErrors
from cdk_sglang.errors import ConfigurationError, Problem

app = typer.Typer(name="cdk-sglang", cls=OneLineErrors, add_completion=False, pretty_exceptions_enable=False)
"""This command alone, for a start that loads no other (`cli/entry.py`)."""


@app.callback()
def _group() -> None:
    """Plan, predict and look up SGLang deployments on Amazon SageMaker."""


@app.command("mcp")
def mcp(
    http: Annotated[
        int | None,
        typer.Option(
            "--http",
            min=0,
            max=65_535,
            help="Serve streamable HTTP on this port of 127.0.0.1 instead of stdin and stdout; 0 for any free port.",
        ),
    ] = None,
) -> None:
    """Serve plans, predictions and the state of a fleet to AI assistants over the Model Context Protocol; read-only.

    Environment files are read only below the current folder. Exit code 2: the extra `mcp` is not installed.
    """
    try:
        from cdk_sglang.cli.mcp import transport
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "mcp":
            raise
        text = "needs the SDK of the Model Context Protocol; pip install 'cdk-sglang[mcp]'"
        raise ConfigurationError([Problem("mcp", text)]) from None
    if http is None:
        transport.serve_stdio()
    else:
        transport.serve_http(http)
