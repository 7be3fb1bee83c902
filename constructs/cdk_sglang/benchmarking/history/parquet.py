"""Measurements as Parquet files, and back; DuckDB is part of the extra `bench`, so it is imported where it is used."""

from __future__ import annotations

import datetime as dt
import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from cdk_sglang.benchmarking.columns import PARTITIONS, columns, measurement_of, row_of
from cdk_sglang.benchmarking.result import SCHEMA_VERSION, Measurement
from cdk_sglang.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    import duckdb

_NO_EXTENSIONS: Final = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
"""DuckDB downloads extensions when it meets a need for them; Parquet is built in."""

_FOLDERS: Final = ("environment", "component")
"""Values of a measurement that folders alone name."""


def duckdb_module() -> ModuleType:
    """Return DuckDB.

    Raises:
        ConfigurationError: DuckDB is not installed.
    """
    try:
        return importlib.import_module("duckdb")
    except ModuleNotFoundError:
        raise ConfigurationError(
            [
                Problem(
                    "history",
                    "duckdb is not installed, and results are Parquet; install it with: pip install 'cdk-sglang[bench]'",
                )
            ]
        ) from None


def _connection() -> duckdb.DuckDBPyConnection:
    connection: duckdb.DuckDBPyConnection = duckdb_module().connect(":memory:", config=_NO_EXTENSIONS)
    return connection


def write_parquet(path: Path, measurements: Sequence[Measurement]) -> None:
    """Write measurements to one file, without the columns that are folders; an earlier file is replaced as a whole.

    Args:
        path: The file.
        measurements: One or more.
    """
    kept = [column for column in columns() if column.name not in PARTITIONS]
    draft = path.with_suffix(".unfinished")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _connection() as connection:
        connection.execute(f"CREATE TABLE rows ({', '.join(f'{column.name} {column.sql}' for column in kept)})")
        rows = [[_stored(row[column.name]) for column in kept] for row in map(row_of, measurements)]
        connection.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * len(kept))})", rows)
        connection.execute(f"COPY rows TO {_quoted(draft)} (FORMAT parquet, COMPRESSION zstd)")
    draft.replace(path)


def _stored(value: Any) -> Any:
    return value.astimezone(dt.UTC).replace(tzinfo=None) if isinstance(value, dt.datetime) else value


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def read_parquet(paths: Iterable[Path], *, without_folders: bool = False) -> tuple[list[Measurement], list[str]]:
    """Read files whose folders name their partitions.

    Args:
        paths: The files.
        without_folders: Also read files that lie outside of such folders, whose environment and component are empty.

    Returns:
        Measurements in the order of their start, and what was left out and why, one line each.
    """
    found: list[Measurement] = []
    notes: list[str] = []
    newer = 0
    placed: dict[str, Any] = dict.fromkeys(_FOLDERS, "") if without_folders else {}
    with _connection() as connection:
        for path in paths:
            try:
                cursor = connection.execute(
                    f"SELECT * FROM read_parquet({_quoted(path)}, hive_partitioning = true, hive_types_autocast = false)"
                )
                names = [column[0] for column in cursor.description or ()]
                rows = [placed | dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
                known = [row for row in rows if int(row["schema_version"]) <= SCHEMA_VERSION]
                found += [measurement_of(row) for row in known]
                newer += len(rows) - len(known)
            except KeyError:
                notes.append(f"{path.name} was left out: it has no results of cdk-sglang bench")
            except (duckdb_module().Error, TypeError, ValueError) as error:
                notes.append(f"{path.name} was left out: {str(error).splitlines()[0]}")
    if newer:
        notes.append(
            f"{newer} rows were left out: a newer version of cdk-sglang wrote them (schema above {SCHEMA_VERSION})"
        )
    return sorted(found, key=lambda one: (one.started, one.step, one.repeat)), notes
