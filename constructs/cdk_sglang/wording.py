"""Wording of messages about values and keys: in Python's notation, and in that of a YAML file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from cdk_sglang.checks import did_you_mean, nearest

_SHOWN_LENGTH: Final = 60
_OTHER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "gpu_memory_utilization": ("mem_fraction_static",),
    "instance": ("type",),
    "instance_count": ("max_instances",),
    "instance_type": ("type",),
    "instance_types": ("pool",),
    "max_capacity": ("max_copies", "max_instances"),
    "max_count": ("max_instances",),
    "max_model_len": ("context_length",),
    "max_replicas": ("max_copies",),
    "max_seq_len": ("context_length",),
    "min_capacity": ("min_copies", "min_instances"),
    "min_count": ("min_instances",),
    "min_replicas": ("min_copies",),
    "replicas": ("copies",),
    "timezone": ("time_zone",),
    "tp": ("tp_size",),
}
"""Names of keys in other programs, with their names here; the first name that exists at a location applies."""


_IN_PLACE_OF: Final[Mapping[str, tuple[tuple[str, ...], str]]] = dict.fromkeys(
    ("cron", "cron_expression", "schedule", "schedule_expression"),
    (("begins", "ends"), 'write hours as days: [mon, tue, wed, thu, fri], begins: "08:00", ends: "18:00"'),
)
"""Keys of other programs that correspond to several keys here: those keys, and how to write them."""


def replaced_keys(key: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the keys that correspond to one key of another program; none if that is not clear."""
    keys, _ = _IN_PLACE_OF.get(key.replace("-", "_").lower(), ((), ""))
    return keys if set(keys) <= set(known) else ()


def key_hint(key: str, known: Sequence[str]) -> str:
    """Return a hint about which key was meant instead of an unknown one."""
    begin, colon, end = key.partition(":")
    if colon and begin in known:
        return f"write a space after the colon: {begin}: {end.strip()}".rstrip()
    if replaced_keys(key, known):
        return _IN_PLACE_OF[key.replace("-", "_").lower()][1]
    meant = meant_key(key, known)
    return did_you_mean(key, known) if meant is None else f"did you mean {meant!r}"


def meant_key(key: str, known: Iterable[str]) -> str | None:
    """Return the key that was meant by another name, a misspelling, or a missing space after its colon; None if that is not clear."""
    names = list(known)
    if key.partition(":")[0] in names:
        return key.partition(":")[0]
    other = next((name for name in _OTHER_NAMES.get(key.replace("-", "_").lower(), ()) if name in names), None)
    return other or nearest(key, names)


def exactly_one(names: Sequence[str], present_names: Sequence[str], *, why: str = "") -> str:
    """Return the message about fields of which exactly one must be given, with those that are given.

    Args:
        names: The fields, two or more.
        present_names: Those that are given: none, or several.
        why: Text after the names; empty by default.
    """
    *first, last = names
    got = "none of them" if not present_names else " and ".join(present_names)
    return f"give exactly one of {', '.join(first)} and {last}{why}; got {got}"


def shown(value: object) -> str:
    """Return a value as a message shows it."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…"


_YAML_WORDS: Final = {"nan": ".nan", "inf": ".inf", "-inf": "-.inf"}


def written(value: object) -> str:
    """Return a value as a message about a file shows it: in YAML's notation, not in Python's."""
    match value:
        case bool():
            text = str(value).lower()
        case float():
            text = _YAML_WORDS.get(str(value), str(value))
        case dt.date():
            text = value.isoformat()
        case bytes():
            text = "binary data"
        case dict():
            text = f"{{{', '.join(f'{key_text(key)}: {written(inner)}' for key, inner in value.items())}}}"
        case list() | tuple():
            text = f"[{', '.join(map(written, value))}]"
        case set() | frozenset():
            text = f"{{{', '.join(sorted(map(key_text, value)))}}}"
        case _:
            return shown(value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…"


def key_text(key: object) -> str:
    """Return a key of a file as it was written there, if that is known."""
    return "null" if key is None else key if isinstance(key, str) else written(key)


def printable(text: str) -> str:
    """Return a text with escapes in place of line breaks and other characters that a terminal would interpret or not show."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def one_line(text: str) -> str:
    """Return a text without line breaks and characters that a terminal would interpret."""
    return printable(" ".join(text.split()))
