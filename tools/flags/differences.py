"""What the options of one release of SGLang differ by from those of the newest one, as data that a person can read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[str, Any]
"""One option: flags, dest, kind, type, nargs, default, choices; absent keys have no value."""

_PLAIN = ("flags", "dest", "kind", "type", "nargs", "default")


def differences(rows: Sequence[Row], base: Sequence[Row]) -> dict[str, Any]:
    """Return what turns `base` into `rows`; options are known by their first spelling.

    Args:
        rows: Options of a release.
        base: Options of the newest release.

    Returns:
        `absent`: spellings of the base that the release lacks. `changed`: by spelling, the release's own values, null if it has none;
        of choices those it lacks and those it has more. `more`: options that the base lacks.
    """
    of_base, of_release = _by_spelling(base), _by_spelling(rows)
    changed = {name: _changed(of_release[name], row) for name, row in of_base.items() if name in of_release}
    return {
        "absent": [name for name in of_base if name not in of_release],
        "changed": {name: change for name, change in changed.items() if change},
        "more": [row for name, row in of_release.items() if name not in of_base],
    }


def _by_spelling(rows: Sequence[Row]) -> dict[str, Row]:
    found = {row["flags"][0]: row for row in rows}
    if len(found) != len(rows):
        raise ValueError("two options share their first spelling; the data cannot tell them apart")
    return found


def _changed(row: Row, base: Row) -> dict[str, Any]:
    change = {name: row.get(name) for name in _PLAIN if row.get(name) != base.get(name)}
    has, had = row.get("choices"), base.get("choices")
    if (has is None) != (had is None):
        return {**change, "choices": has}
    lacking = [choice for choice in had or () if choice not in (has or ())]
    more = [choice for choice in has or () if choice not in (had or ())]
    if lacking:
        change["choices_absent"] = lacking
    if more:
        change["choices_more"] = more
    return change


def text_of(data: Mapping[str, Any]) -> str:
    """Return JSON with one option or spelling a line, so that a difference between two files is a difference of options."""
    parts = [f"{json.dumps(name)}:{_lines(value)}" for name, value in data.items()]
    return "{" + ",\n".join(parts) + "}\n"


def _lines(value: Any) -> str:
    if isinstance(value, Mapping) and value:
        return "{\n" + ",\n".join(f"{json.dumps(name)}:{_compact(item)}" for name, item in value.items()) + "\n}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(map(_compact, value)) + "\n]"
    return _compact(value)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
