"""`cdk-sglang bench query`: query the history in SQL."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from cdk_sglang.benchmarking.history import query as queries
from cdk_sglang.benchmarking.history.store import History
from cdk_sglang.cli.aws import client, fail, failures_of
from cdk_sglang.cli.bench.environment import history_location
from cdk_sglang.cli.output import stdout
from cdk_sglang.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from cdk_sglang.benchmarking.history.query import Answer

_MIB = 2**20


def query(
    sql: Annotated[str, typer.Argument(help="SELECT … FROM measurements …", metavar="SQL")],
    *,
    history: Annotated[str | None, typer.Option(help="Folder or s3://bucket/prefix of results.")] = None,
    athena: Annotated[
        bool, typer.Option("--athena", help="Query the table of BenchmarkHistory, not the files.")
    ] = False,
    database: Annotated[str, typer.Option(help="Name of the database.")] = queries.DATABASE,
    workgroup: Annotated[
        str | None, typer.Option(help=f"With --athena: its workgroup; {queries.WORKGROUP} by default.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="With --athena: Region of the table.")] = None,
    wait_seconds: Annotated[float, typer.Option("--wait", min=1, help="With --athena: seconds to wait.")] = 600,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Run a query over results: with DuckDB on the files, or with Athena, which reads only the query's partitions.

    Exit code 1: Athena has no answer, or was interrupted. Exit code 2: usage or the query is wrong.
    """
    if athena:
        if history is not None:
            raise ConfigurationError([Problem("--history", "names files; leave it out, or leave out --athena")])
        answer = _by_athena(sql, database=database, workgroup=workgroup, region=region, wait_seconds=wait_seconds)
    else:
        _check_local(workgroup=workgroup, region=region)
        with failures_of("s3:GetObject"):
            store = History(location=history_location(history), s3=lambda: client("s3", region=None))
            with store.files("") as paths:
                answer = queries.query_files(sql, paths, database=database)
    _print(answer, as_csv=as_csv)
    if answer.is_cut:
        typer.echo(f"bench: there are more than these {len(answer.rows):,} rows; add LIMIT, or narrow WHERE", err=True)
    if answer.scanned_bytes is not None:
        typer.echo(f"bench: Athena read {answer.scanned_bytes / _MIB:.2f} MiB", err=True)


def _by_athena(sql: str, *, database: str, workgroup: str | None, region: str | None, wait_seconds: float) -> Answer:
    name = workgroup or queries.WORKGROUP
    with failures_of(f"athena:StartQueryExecution in workgroup {name}"):
        athena = queries.Athena(
            client=client("athena", region=region), database=database, workgroup=name, timeout_seconds=wait_seconds
        )
        try:
            return athena.query(sql)
        except queries.QueryError as error:
            fail(f"bench: {error}", code=1)
        except KeyboardInterrupt:
            fail("bench: interrupted; the query is stopped", code=1)


def _check_local(**options: str | None) -> None:
    problems = [
        Problem(f"--{name}", "goes with --athena; leave it out") for name, value in options.items() if value is not None
    ]
    if problems:
        raise ConfigurationError(problems)


def _print(answer: Answer, *, as_csv: bool) -> None:
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows(["" if value is None else value for value in row] for row in answer.rows)
        return
    table = Table(box=box.SIMPLE_HEAD)
    for column in answer.columns:
        table.add_column(Text(column))
    for row in answer.rows:
        table.add_row(*(Text("-" if value is None else value) for value in row))
    stdout().print(table)
