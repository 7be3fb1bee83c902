"""The commands below `cdk-sglang bench`."""

from __future__ import annotations

import typer

from cdk_sglang.cli.bench import clean, compare, gate, query, report, run, scan

app = typer.Typer(
    help="Measure what is deployed with AIPerf, keep the results, and compare them with the plan and with each other.",
    no_args_is_help=True,
)
app.command("run")(run.run)
app.command("status")(report.status)
app.command("report")(report.report)
app.command("compare")(compare.compare)
app.command("gate")(gate.gate)
app.command("query")(query.query)
app.command("scan")(scan.scan)
app.command("clean")(clean.clean)
