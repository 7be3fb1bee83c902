"""The commands of `cdk-sglang eagle`."""

from __future__ import annotations

import typer

from cdk_sglang.cli.eagle import decide, report, start, status, stop

app = typer.Typer(help="Drafts for speculative decoding: train, measure, promote, roll back.", no_args_is_help=True)
app.command("start")(start.start)
app.command("status")(status.status)
app.command("stop")(stop.stop)
app.command("report")(report.report)
app.command("promote")(decide.promote)
app.command("reject")(decide.reject)
app.command("rollback")(decide.rollback)
