"""Numbers written as text, such as `32k`, `800ms` or `$40`: how to write them where only digits are accepted."""

from __future__ import annotations

import re
from typing import Final

_DIGITS: Final = re.compile(r"[+-]?[\d.,_]+")
_WITH_UNIT: Final = re.compile(r"[^\w+-]*(?P<number>[+-]?\d[\d_,]*(\.\d+)?)\s*(?P<unit>[^\d,._]*)")
_EXPONENT: Final = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")
_GROUPED: Final = re.compile(r"\d{1,3}(,\d{3})+")
_THOUSANDS: Final = {"k": 1_000, "K": 1_000, "ki": 1024, "Ki": 1024, "m": 1_000_000, "M": 1_000_000}
_SECONDS: Final = {
    "ms": 0.001, "s": 1, "sec": 1, "second": 1, "seconds": 1, "m": 60, "min": 60, "minute": 60, "minutes": 60, "h": 3600, "hour": 3600,
    "hours": 3600, "d": 86400, "day": 86400, "days": 86400, "w": 604800, "week": 604800, "weeks": 604800,
}  # fmt: skip
_BYTES: Final = {
    "mb": 1e6, "gb": 1e9, "tb": 1e12, "mib": 2**20, "gib": 2**30, "tib": 2**40, "m": 1e6, "g": 1e9, "t": 1e12, "mi": 2**20, "gi": 2**30,
    "ti": 2**40,
}  # fmt: skip
_KINDS: Final = (_SECONDS, _BYTES)


def as_number(text: str, *, is_whole: bool, name: str) -> str:
    """Return how to write a number that was given as text, as the last part of a message.

    `32k` is 32000; `0.8s` is 800 for a field in milliseconds; `32,768` may be one or two numbers if the field accepts fractions.

    Args:
        text: The text.
        is_whole: Whether the field accepts only whole numbers.
        name: Name of the field, whose last word is its unit if it has one.
    """
    text = text.strip()
    if text.isdecimal():
        return f"{text} without quotes"
    if _EXPONENT.fullmatch(text) or (is_whole and _GROUPED.fullmatch(text)):
        return f"digits alone: {_shown(float(text.replace(',', '')))}"
    found = _WITH_UNIT.fullmatch(text)
    if found is None or _DIGITS.fullmatch(text):
        has_unit = any(map(str.isdigit, text)) and not _DIGITS.fullmatch(text)
        return "digits alone, without a unit or a sign" if has_unit else "a number in digits, without quotes"
    return (
        f"digits alone: {_with_unit(found['number'], found['unit'].strip(), text=text, is_whole=is_whole, name=name)}"
    )


def _with_unit(digits: str, unit: str, *, text: str, is_whole: bool, name: str) -> str:
    """Return a number with a unit in digits: converted to the unit of the field, or multiplied by thousands."""
    number, own = float(digits.replace(",", "").replace("_", "")), name.rpartition("_")[2]
    units = next((units for units in _KINDS if own in units and unit.lower() in units), {})
    converted = number * units.get(unit.lower(), 1) / units.get(own, 1)
    if converted != number:
        return f"{_shown(round(converted) if is_whole else round(converted, 3))}, which is {text} in {own}"
    times = None if units else _THOUSANDS.get(unit)
    if times is not None:
        other = f", or {number * 1024:.0f} if that is meant" if times == _THOUSANDS["k"] else ""
        return f"{number * times:.0f}{other}"
    share = f", or {number / 100:g} where a share of 1 is taken" if unit == "%" and not is_whole else ""
    return f"{_shown(number)}{share}, without {unit or 'a sign'}"


def _shown(number: float) -> str:
    return f"{number:.0f}" if number == int(number) else f"{number:g}"
