"""The user's own prompts: fetches a dataset and checks every line before the first request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.spec.s3 import place_of
from cdk_sglang.spec.workload import Dataset

_SHOWN_PROBLEMS: Final = 20
_TEXT: Final = 'an object with text, such as {"text": "hello"}'
_TURNS: Final = 'an object with turns, such as {"turns": [{"text": "hello"}, {"text": "more"}]}'
_TRACE: Final = 'an object with timestamp, input_length and output_length, such as {"timestamp": 0, "input_length": 64, "output_length": 16}'


def fetch_dataset(dataset: Dataset, *, folder: Path, into: Path, s3: Callable[[], Any]) -> Path:
    """Return the checked file of a dataset.

    Args:
        dataset: The dataset.
        folder: Folder that files are relative to.
        into: Folder for what is copied from S3.
        s3: Makes a client of S3.

    Raises:
        ConfigurationError: The file does not exist, or lines have a different format; each line is named.
    """
    if dataset.file is not None:
        path = folder / dataset.file
    else:
        assert dataset.s3 is not None
        place = place_of(dataset.s3)
        assert place is not None
        into.mkdir(parents=True, exist_ok=True)
        path = into / "dataset.jsonl"
        s3().download_file(place.bucket, place.key, str(path))
    try:
        with path.open(encoding="utf-8") as lines:
            raise_if_any(line_problems(lines, dataset.format, name=dataset.file or str(dataset.s3)))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([Problem(path, f"cannot be read as UTF-8 text: {error}")]) from None
    return path.absolute()


def line_problems(lines: Iterable[str], form: str, *, name: str) -> list[Problem]:
    """Return the lines that do not have the format, at most the first twenty; a file without lines is also a problem.

    Args:
        lines: Lines of the file.
        form: Format of the dataset.
        name: Name of the file, which the problems begin with.
    """
    problems: list[Problem] = []
    count = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        count += 1
        wrong = _wrong(line, form)
        if wrong is not None:
            problems.append(Problem(f"{name}:{number}", wrong))
            if len(problems) == _SHOWN_PROBLEMS:
                problems.append(Problem(name, "further lines were not looked at; correct these first"))
                return problems
    return problems if count else [Problem(name, "has no lines; write one JSON object a line")]


def _wrong(line: str, form: str) -> str | None:
    try:
        content = json.loads(line)
    except ValueError as error:
        return f"is not JSON ({error}); write one JSON object a line"
    if form == "mooncake_trace":
        return None if _is_trace(content) else f"is not {_TRACE}"
    if form == "multi_turn":
        turns = content.get("turns") if isinstance(content, dict) else None
        is_fine = isinstance(turns, list) and turns and all(_is_text(turn) for turn in turns)
        return None if is_fine else f"is not {_TURNS}"
    return None if _is_text(content) else f"is not {_TEXT}"


def _is_text(content: object) -> bool:
    if not isinstance(content, Mapping):
        return False
    text = content.get("text")
    return isinstance(text, str) and bool(text.strip())


def _is_trace(content: object) -> bool:
    if not isinstance(content, Mapping):
        return False
    return all(
        isinstance(content.get(key), int | float) and not isinstance(content.get(key), bool) and content[key] >= 0
        for key in ("timestamp", "input_length", "output_length")
    )
