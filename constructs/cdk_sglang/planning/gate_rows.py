"""Reads the rows of a gate that `cdk-sglang eagle report --calibration` writes, to calibrate the planner."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.planning.drafts import DraftKind, Speculation
from cdk_sglang.planning.measured import Measured
from cdk_sglang.planning.rows import read_question

if TYPE_CHECKING:
    from cdk_sglang.models.facts import ModelFacts

SCHEMA: Final = 1
"""Version of the file format."""
_KINDS: Final = {
    "eagle": DraftKind.HEAD,
    "draft": DraftKind.HEAD,
    "nextn": DraftKind.OWN_LAYERS,
    "ngram": DraftKind.LOOKUP,
}


def gate_measured(text: str, *, place: str, facts: Callable[[str], ModelFacts]) -> tuple[list[Measured], list[str]]:
    """Return the rows of a gate that the planner can learn from, and a note on those that it cannot use.

    Args:
        text: Content of a file written from `gate_content`.
        place: Path of the file, for messages.
        facts: Returns a model's facts; raises ConfigurationError for an unknown model.

    Raises:
        ConfigurationError: The file is not such a file, or has a newer version.
    """
    try:
        content: Mapping[str, Any] = json.loads(text)
        is_known = content["schema"] == SCHEMA
        known = facts(str(content["model"])) if is_known else None
        found = [_measured(content, row, known) for row in content["rows"]] if known is not None else []
    except ConfigurationError as error:
        raise ConfigurationError([problem.under(place) for problem in error.problems]) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _refused(place, repr(error)) from None
    if not is_known:
        raise _refused(place, f"schema {content['schema']!r}, this version reads {SCHEMA}")
    kept = [one for one in found if one is not None]
    left_out = len(found) - len(kept)
    note = f"{place}: {left_out} rows are not learned from: their accept length was not measured"
    return kept, [note] if left_out else []


def _refused(place: str, reason: str) -> ConfigurationError:
    text = (
        f"cannot be read as the figures of a gate: {reason}; write it again with cdk-sglang eagle report --calibration"
    )
    return ConfigurationError([Problem(place, text)])


def _measured(content: Mapping[str, Any], row: Mapping[str, Any], facts: ModelFacts) -> Measured | None:
    cells = {
        "row_id": str(content["gate"]),
        "model": facts.id,
        "kv_dtype": str(content.get("kv_dtype") or ""),
        "gpu": str(content["gpu"]),
        "n_gpus": str(content["gpus"]),
        "tp": str(content["gpus"]),
        "ep": str(content.get("ep") or 1),
        "dp": str(content.get("dp") or 1),
        "engine": "sglang",
        "engine_version": str(content["sglang_version"]),
        "isl": str(content["input_tokens"]),
        "osl": str(content["output_tokens"]),
        "concurrency": str(row["concurrency"]),
        "mem_fraction": "" if content.get("mem_fraction") is None else str(content["mem_fraction"]),
    }
    question = read_question(cells, models=(facts,))
    if row["side"] == "draft":
        if row.get("accept_length") is None:
            return None
        accept, drafting = float(row["accept_length"]), content["speculation"]
        speculation = Speculation(
            kind=_KINDS[drafting["kind"]],
            steps=drafting.get("steps"),
            draft_tokens=drafting.get("draft_tokens"),
            accept_length=accept,
        )
        question = dataclasses.replace(question, accept_len=max(1.0, accept), speculation=speculation)
    return Measured(question=question, ttft_ms=row.get("ttft_ms"), tpot_ms=row.get("tpot_ms"))
