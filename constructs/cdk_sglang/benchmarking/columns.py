"""Rows of the history: converts measurements to flat columns and back."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import types
import typing
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any, Final

from cdk_sglang.benchmarking.result import Measurement

PARTITIONS: Final = ("environment", "component", "date")
"""Columns that are folders of the history; date is the day of the start in UTC."""

_SQL: Final = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE", str: "VARCHAR", dt.datetime: "TIMESTAMP"}
_GLUE: Final = {bool: "boolean", int: "bigint", float: "double", str: "string", dt.datetime: "timestamp"}
"""Types of DuckDB's and Athena's columns (https://docs.aws.amazon.com/athena/latest/ug/data-types.html, read 2026-11)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the history.

    Args:
        name: Its name: those of the fields that lead to the value, joined by underscores.
        kind: Python's type of its values, which may also be None.
    """

    name: str
    kind: type

    @property
    def sql(self) -> str:
        """DuckDB's type."""
        return _SQL[self.kind]

    @property
    def glue(self) -> str:
        """Glue's type."""
        return _GLUE[self.kind]


@cache
def columns() -> tuple[Column, ...]:
    """Return the columns of the schema, including partitions except the date."""
    return tuple(_columns(Measurement, ""))


def _columns(kind: Any, prefix: str) -> list[Column]:
    found = []
    for field, annotation in _fields(kind):
        plain = _without_none(annotation)
        if dataclasses.is_dataclass(plain):
            found += _columns(plain, f"{prefix}{field}_")
        else:
            found.append(Column(name=prefix + field, kind=_stored_kind(plain)))
    return found


def row_of(measurement: Measurement) -> dict[str, Any]:
    """Return a measurement as values by column."""
    row = dict.fromkeys((column.name for column in columns()), None)
    row.update(_row(measurement, ""))
    return row


def _row(value: Any, prefix: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        part = getattr(value, field.name)
        if dataclasses.is_dataclass(part):
            row.update(_row(part, f"{prefix}{field.name}_"))
        elif isinstance(part, dict):
            row[prefix + field.name] = json.dumps(part, sort_keys=True)
        elif isinstance(part, Enum):
            row[prefix + field.name] = part.value
        elif part is not None:
            row[prefix + field.name] = part
    return row


def measurement_of(row: Mapping[str, Any]) -> Measurement:
    """Return the measurement of a row; columns that the schema does not know are left out.

    Raises:
        ValueError: A value that the schema needs is missing.
    """
    found: Measurement = _built(Measurement, row, "")
    return found


def _built(kind: Any, row: Mapping[str, Any], prefix: str) -> Any:
    values: dict[str, Any] = {}
    for field, annotation in _fields(kind):
        plain, name = _without_none(annotation), prefix + field
        if dataclasses.is_dataclass(plain):
            inside = [row.get(column.name) for column in _columns(plain, f"{name}_")]
            is_missing = plain is not annotation and all(value is None for value in inside)
            values[field] = None if is_missing else _built(plain, row, f"{name}_")
            continue
        value = row.get(name)
        if value is None and plain is annotation:
            raise ValueError(f"column {name} is missing or empty")
        values[field] = None if value is None else _read(plain, value)
    return kind(**values)


def _read(kind: Any, value: Any) -> Any:
    if typing.get_origin(kind) is dict:
        return json.loads(value)
    if kind is dt.datetime:
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
    return kind(value)


@cache
def _fields(kind: Any) -> list[tuple[str, Any]]:
    hints = typing.get_type_hints(kind)
    return [(field.name, hints[field.name]) for field in dataclasses.fields(kind)]


def _without_none(annotation: Any) -> Any:
    if isinstance(annotation, types.UnionType):
        return next(part for part in typing.get_args(annotation) if part is not type(None))
    return annotation


def _stored_kind(kind: Any) -> type:
    is_text = typing.get_origin(kind) is dict or issubclass(kind, Enum)
    return str if is_text else kind
