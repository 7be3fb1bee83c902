"""Suggests models for an unknown id."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from cdk_sglang.checks import did_you_mean


def nearest_models(known: list[str], model_id: str) -> str:
    """Return the most similar ids in words: by the whole id or, if none is similar, by the model's name without its owner in lower case."""
    hint = did_you_mean(model_id, known)
    if hint.startswith("did you mean"):
        return hint
    names = {name.rpartition("/")[2].lower(): name for name in known}
    name = model_id.rpartition("/")[2].lower()
    shared = [(len(_parts(name) & _parts(other)), SequenceMatcher(None, name, other).ratio(), other) for other in names]
    three = [names[other] for _, _, other in sorted(shared, reverse=True)[:3]]
    return f"nearest of {len(known)} known: {', '.join(three)}"


def _parts(name: str) -> set[str]:
    """Return the words and sizes in a model's name: `qwen`, `3`, `8b`."""
    return set(re.findall(r"\d+(?:\.\d+)?[bm]?|[a-z]+", name))
