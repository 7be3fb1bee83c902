"""Questions to a history in SQL: by DuckDB over its files, or by Athena over the table of `BenchmarkHistory`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cdk_sglang.benchmarking.history.parquet import duckdb_module
from cdk_sglang.errors import ConfigurationError, Problem

TABLE: Final = "measurements"
"""Name of the table, in AWS and locally."""
DATABASE: Final = "cdk_sglang_bench"
"""Name of the database, unless `BenchmarkHistory` was given another."""
WORKGROUP: Final = "cdk-sglang-bench"
"""Name of the workgroup, unless `BenchmarkHistory` was given another."""
ROWS_MAX: Final = 1000
"""Rows that are shown at most."""
POLL_SECONDS: Final = 0.5
_GIB: Final = 2**30


class QueryError(Exception):
    """A query has no answer; the message is one line with the next step."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Rows of a query.

    Attributes:
        columns: Names of the columns.
        rows: Values as text; None where there is none.
        is_cut: Whether there are more rows than these.
        scanned_bytes: Bytes that Athena read, which it bills; None for a local query.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str | None]]
    is_cut: bool = False
    scanned_bytes: int | None = None


def query_files(sql: str, paths: Iterable[Path], *, database: str = DATABASE) -> Answer:
    """Answer a query from files whose folders name their partitions.

    Args:
        sql: The query; the table is `measurements`, with or without the name of the database before it.
        paths: Parquet files of a history.
        database: Name of the database.

    Raises:
        ConfigurationError: DuckDB refuses the query or a file, or there are no files.
    """
    duckdb = duckdb_module()
    files = [str(path) for path in paths]
    if not files:
        raise ConfigurationError([Problem("--history", "has no results; run `cdk-sglang bench run` first")])
    with duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"}) as connection:
        try:
            schema = '"' + database.replace('"', '""') + '"'
            connection.execute(f"CREATE SCHEMA {schema}")
            source = "read_parquet(?, hive_partitioning = true, hive_types_autocast = false, union_by_name = true)"
            connection.execute(f"CREATE TABLE {schema}.{TABLE} AS SELECT * FROM {source}", [files])
            connection.execute("SET enable_external_access = false")  # a query reads the history, and no other file
            connection.execute(f"USE {schema}")
            cursor = connection.execute(sql)
            columns = [str(one[0]) for one in cursor.description or ()]
            rows = cursor.fetchmany(ROWS_MAX + 1)
        except duckdb.Error as error:
            text = f"{str(error).splitlines()[0]}; the table is {TABLE}, its columns are those of docs/bench.md"
            raise ConfigurationError([Problem("SQL", text)]) from None
    shown = [[_text(value) for value in row] for row in rows[:ROWS_MAX]]
    return Answer(columns=columns, rows=shown, is_cut=len(rows) > ROWS_MAX)


@dataclass(frozen=True, kw_only=True)
class Athena:
    """Queries to the table in AWS.

    Args:
        client: Client of Athena.
        database: Name of the Glue database.
        workgroup: Name of the workgroup.
        timeout_seconds: Seconds after which a query is stopped.
        sleep: Pauses between two looks.
        clock: Seconds of a monotonic clock.
    """

    client: Any
    database: str
    workgroup: str
    timeout_seconds: float
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def query(self, sql: str) -> Answer:
        """Answer a query; one that is interrupted or late is stopped, so that it reads no more.

        Args:
            sql: The query.

        Raises:
            QueryError: Athena has no answer, or not in time.
            botocore.exceptions.ClientError: Athena refuses the query.
            KeyboardInterrupt: The query was interrupted, and is stopped.
        """
        started = self.client.start_query_execution(
            QueryString=sql, QueryExecutionContext={"Database": self.database}, WorkGroup=self.workgroup
        )
        identifier = str(started["QueryExecutionId"])
        try:
            found = self._ended(identifier)
        except BaseException:
            self.client.stop_query_execution(QueryExecutionId=identifier)
            raise
        status = found["Status"]
        if status["State"] != "SUCCEEDED":
            reason = str(status.get("StateChangeReason") or "Athena gives no reason")
            raise QueryError(f"{status['State']}: {reason}; {self._next_step(reason)}")
        scanned = int(found.get("Statistics", {}).get("DataScannedInBytes") or 0)
        return self._answer(identifier, scanned)

    def _ended(self, identifier: str) -> dict[str, Any]:
        start = self.clock()
        while True:
            found: dict[str, Any] = self.client.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]
            if found["Status"]["State"] not in {"QUEUED", "RUNNING"}:
                return found
            if self.clock() - start > self.timeout_seconds:
                raise QueryError(
                    f"the query was stopped after {self.timeout_seconds:g} s; name environment, component and date in WHERE, or raise --wait"
                )
            self.sleep(POLL_SECONDS)

    def _answer(self, identifier: str, scanned: int) -> Answer:
        rows: list[list[str | None]] = []
        columns: list[str] = []
        pages = self.client.get_paginator("get_query_results").paginate(QueryExecutionId=identifier)
        for page in pages:
            found = page["ResultSet"]
            columns = columns or [str(one["Name"]) for one in found["ResultSetMetadata"]["ColumnInfo"]]
            rows += [[cell.get("VarCharValue") for cell in row["Data"]] for row in found["Rows"]]
            if len(rows) > ROWS_MAX + 1:
                break
        rows = rows[1:] if rows and rows[0] == columns else rows  # the first row of a SELECT are the names
        return Answer(columns=columns, rows=rows[:ROWS_MAX], is_cut=len(rows) > ROWS_MAX, scanned_bytes=scanned)

    def _next_step(self, reason: str) -> str:
        if "TABLE_NOT_FOUND" in reason or "SCHEMA_NOT_FOUND" in reason:
            return f"deploy BenchmarkHistory, or give --database if its table is not in {self.database}; without --athena the files are read"
        if "injected projected partition column" in reason:
            return "name environment and component in WHERE, such as environment = 'prod' AND component = 'prod-chat-llama'"
        if "Bytes scanned limit" in reason:
            return f"name the date in WHERE too, or raise scan_limit_gib of workgroup {self.workgroup}"
        return "see docs/bench.md for the table"


def _text(value: object) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
