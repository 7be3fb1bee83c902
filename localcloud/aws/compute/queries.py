"""Queries of Athena, run by DuckDB over the objects of Glue's tables; moto answers every query with no rows.

A table's files are read from S3 as they are, with the folders of its partitions as columns. Queries that Athena refuses are refused with Athena's messages
(Athena engine version 3, messages as users report them, read 2026-12): a missing table, a query without a value for an injected
partition, and one that reads more than its workgroup allows. The SQL is DuckDB's, which differs from Trino's in functions of dates and of text.
"""

from __future__ import annotations

import csv
import importlib
import io
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from moto.athena.models import AthenaBackend, Execution, QueryResults
from moto.athena.responses import AthenaResponse
from moto.glue.models import glue_backends
from moto.s3.exceptions import S3ClientError
from moto.s3.models import s3_backends
from moto.utilities.utils import get_partition

_SQL: Final = {"string": "VARCHAR", "bigint": "BIGINT", "int": "INTEGER", "double": "DOUBLE", "float": "FLOAT"}
_ATHENA: Final = {"VARCHAR": "varchar", "DOUBLE": "double", "FLOAT": "float", "BOOLEAN": "boolean", "DATE": "date"}
_STATUS: Final = "localcloud_status"
_WORKGROUP: Final = "WorkGroup is not found."


class _RefusedError(Exception):
    """A query ends without rows.

    Args:
        reason: Athena's reason.
        state: FAILED or CANCELLED.
    """

    def __init__(self, reason: str, *, state: str = "FAILED") -> None:
        super().__init__(reason)
        self.state = state


@dataclass(frozen=True, kw_only=True)
class _Done:
    results: QueryResults
    rows: list[list[str | None]]
    scanned: int


def install() -> None:
    """Let moto's Athena run queries; a second call changes nothing."""
    AthenaBackend._store_predefined_query_results = _store
    if not hasattr(AthenaResponse, _STATUS):
        setattr(AthenaResponse, _STATUS, AthenaResponse.get_query_execution)
    AthenaResponse.get_query_execution = _described


def _store(backend: AthenaBackend, identifier: str) -> None:
    """Run a query that was just accepted, and write its result to the location of its workgroup."""
    execution: Execution = backend.executions[identifier]
    status: dict[str, Any] = {"scanned": 0}
    try:
        done = _run(backend, execution)
        backend.query_results[identifier] = done.results
        status["scanned"] = done.scanned
        status["place"] = _write(backend, execution, done.rows)
    except _RefusedError as error:
        status |= {"state": error.state, "reason": str(error)}
    setattr(execution, _STATUS, status)


def _described(response: AthenaResponse) -> str:
    """Add to moto's description of a query its outcome, and how much it read."""
    content = json.loads(getattr(response, _STATUS)())
    one = content["QueryExecution"]
    status = getattr(response.athena_backend.executions[one["QueryExecutionId"]], _STATUS, {})
    one["Statistics"]["DataScannedInBytes"] = status.get("scanned", 0)
    if status.get("place"):
        one["ResultConfiguration"] = {**(one.get("ResultConfiguration") or {}), "OutputLocation": status["place"]}
    if "state" in status:
        one["Status"] |= {"State": status["state"], "StateChangeReason": status["reason"]}
    text: str = json.dumps(content)
    return text


def _run(backend: AthenaBackend, execution: Execution) -> _Done:
    duckdb = importlib.import_module("duckdb")
    context = execution.context or {}
    limit = (execution.workgroup.configuration if execution.workgroup else {}).get("BytesScannedCutoffPerQuery")
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(":memory:") as connection:
        scanned = 0
        for database in glue_backends[backend.account_id][backend.region_name].databases.values():
            connection.execute(f"CREATE SCHEMA {_name(database.name)}")
            for table in database.tables.values():
                if _mentions(execution.query, table.name):
                    content = table.as_dict()
                    _check_injected(content, execution.query)
                    scanned += _load(backend, connection, database.name, content, Path(folder))
        if limit and scanned > int(limit):
            raise _RefusedError("Bytes scanned limit was exceeded", state="CANCELLED")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        try:
            if context.get("Database"):
                connection.execute(f"USE {_name(str(context['Database']).lower())}")
            cursor = connection.execute(execution.query)
            columns = [(one[0], str(one[1])) for one in cursor.description or ()]
            rows = cursor.fetchall()
        except duckdb.Error as error:
            raise _RefusedError(_reason(str(error), str(context.get("Database", "default")))) from None
    shown = [[_text(value) for value in row] for row in rows]
    heading: list[str | None] = [name for name, _ in columns]
    information = [
        {"CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": name, "Label": name, "Type": _type(kind)}
        for name, kind in columns
    ]
    cells = [{"Data": [{} if value is None else {"VarCharValue": value} for value in row]} for row in [heading, *shown]]
    return _Done(results=QueryResults(cells, information), rows=[heading, *shown], scanned=scanned)


def _load(backend: AthenaBackend, connection: Any, database: str, table: dict[str, Any], folder: Path) -> int:
    """Create a DuckDB table from a Glue table; return the bytes of its files."""
    storage = table["StorageDescriptor"]
    columns = {one["Name"]: _SQL.get(one["Type"], one["Type"].upper()) for one in storage["Columns"]}
    keys = {one["Name"]: "VARCHAR" for one in table.get("PartitionKeys", ())}
    name = f"{_name(database)}.{_name(table['Name'])}"
    connection.execute(
        f"CREATE TABLE {name} ({', '.join(f'{_name(one)} {kind}' for one, kind in {**columns, **keys}.items())})"
    )
    place = urlsplit(storage["Location"])
    bucket = s3_backends[backend.account_id][get_partition(backend.region_name)].buckets.get(place.netloc)
    prefix, scanned = place.path.lstrip("/"), 0
    for number, (key, stored) in enumerate([] if bucket is None else list(bucket.keys.items())):
        if not key.startswith(prefix) or not key.endswith(".parquet"):
            continue
        values = dict(part.split("=", 1) for part in key.removeprefix(prefix).split("/") if "=" in part)
        if set(values) != set(keys):
            continue  # Athena reads only the locations that the projection names
        path = folder / f"{database}-{table['Name']}-{number}.parquet"
        path.write_bytes(stored.value)
        scanned += path.stat().st_size
        source = f"read_parquet({_literal(str(path))})"
        found = [
            *map(_name, _of(connection, source, columns)),
            *(f"{_literal(values[key])} AS {_name(key)}" for key in keys),
        ]
        connection.execute(f"INSERT INTO {name} BY NAME SELECT {', '.join(found)} FROM {source}")
    return scanned


def _of(connection: Any, source: str, columns: dict[str, str]) -> list[str]:
    """Return the columns of a table that a file has; Athena treats the others as empty."""
    cursor = connection.execute(f"SELECT * FROM {source} LIMIT 0")
    return [one[0] for one in cursor.description if one[0] in columns]


def _check_injected(table: dict[str, Any], query: str) -> None:
    parameters = table.get("Parameters", {})
    for key in table.get("PartitionKeys", ()):
        name = key["Name"]
        if parameters.get(f"projection.{name}.type") != "injected":
            continue
        if not re.search(rf"\b{re.escape(name)}\b\"?\s*(=|\bIN\b)", query, re.IGNORECASE):
            raise _RefusedError(
                f"CONSTRAINT_VIOLATION: For the injected projected partition column {name}, the WHERE clause must contain only static "
                "equality conditions, and at least one such condition must be present."
            )


def _reason(text: str, database: str) -> str:
    line = text.splitlines()[0]
    missing = re.search(r"Table with name (\S+) does not exist", line)
    if missing:
        table = missing[1] if "." in missing[1] else f"{database}.{missing[1]}"
        return f"TABLE_NOT_FOUND: line 1:1: Table 'awsdatacatalog.{table.lower()}' does not exist"
    missing = re.search(
        r"(?:schema|catalog) [\"']?([\w.]+)[\"']? (?:does not exist|could be found)|SET schema: No catalog \+ schema named \"([^\"]+)\"",
        line,
    )
    if missing:
        return f"SCHEMA_NOT_FOUND: line 1:1: Schema '{missing[1] or missing[2]}' does not exist"
    return f"SYNTAX_ERROR: {line.partition(': ')[2] or line}"


def _write(backend: AthenaBackend, execution: Execution, rows: list[list[str | None]]) -> str | None:
    configured = (execution.workgroup.configuration if execution.workgroup else {}).get("ResultConfiguration", {})
    location = configured.get("OutputLocation") or (execution.config or {}).get("OutputLocation")
    if not location:
        raise _RefusedError(
            "No output location provided. An output location is required either through the Workgroup result configuration setting or as an API input."
        )
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    place = urlsplit(f"{location.rstrip('/')}/{execution.id}.csv")
    try:
        s3_backends[backend.account_id][get_partition(backend.region_name)].put_object(
            place.netloc, place.path.lstrip("/"), text.getvalue().encode()
        )
    except S3ClientError as error:
        raise _RefusedError(f"Unable to verify/create output bucket {place.netloc}: {error.message}") from None
    return place.geturl()


def _mentions(query: str, table: str) -> bool:
    return re.search(rf"\b{re.escape(table)}\b", query, re.IGNORECASE) is not None


def _type(kind: str) -> str:
    if kind.startswith("TIMESTAMP"):
        return "timestamp"
    return _ATHENA.get(kind, "bigint" if "INT" in kind else "varchar")


def _text(value: object) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
