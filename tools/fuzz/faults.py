"""Faults for any place of an environment: values of other kinds, changed numbers, keys removed, renamed or added."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 10**19),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        (
            "",
            " ",
            "a\nb",
            "x" * 2000,
            "${Token[TOKEN.1]}",
            "#{Token[TOKEN.2]}",
            "ml.g6e.12xlage",
            "s3://",
            "s3://UPPER/x",
            "s3://a-bucket/*",
            "١٢٣٤٥٦٧٨٩٠١٢",
            "111122223333\n",
            "-a",
            "A",
            "null",
            "${AWS::Region}",
            "{{resolve:ssm:/x}}",
            "\x00",
            "\ud7ff\U0001f600",
            -0.0,
            10**400,
            [],
            {},
            [None],
            {"a": {}},
            {1: 2},
            [["a"], {"b": 1}],
        )
    ),
)


def _places(value: object) -> list[tuple[Any, Any]]:
    """Return every place of nested mappings and lists, as (container, key)."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, child in inner for place in ((value, key), *_places(child))]


def break_something(draw: st.DrawFn, content: dict[str, Any]) -> None:
    """Put a fault into a random place of an environment."""
    places = _places(content)
    if not places:
        return
    container, key = places[draw(st.integers(0, len(places) - 1))]
    kind = draw(st.sampled_from(("replace", "replace", "nudge", "remove", "rename", "add")))
    value = container[key]
    if kind == "replace":
        container[key] = copy.deepcopy(draw(JUNK))
    elif kind == "nudge" and isinstance(value, int | float):
        container[key] = value * draw(st.sampled_from((-1, 0, 2, 16, 1000)))
    elif kind == "nudge" and isinstance(value, str):
        container[key] = draw(st.sampled_from((value.upper(), value[:-1], value + value, f" {value}", f"{value}/")))
    elif kind == "remove":
        del container[key]
    elif kind == "rename" and isinstance(container, dict):
        container[draw(st.sampled_from((f"{key}s", "no", False, 3, "a" * 40, "Config", "foundation", "a\nb")))] = (
            container.pop(key)
        )
    elif isinstance(container, dict):
        container[draw(st.text(max_size=8))] = copy.deepcopy(draw(JUNK))
    else:
        container.append(copy.deepcopy(draw(JUNK)))
