"""The draft of a run: read from S3 by its config.json and the first bytes of its weights, and checked before paying for any GPU."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .base_model import read_config
from .clients import Aws
from .config import Config, Place
from .draft_rules import check
from .ends import DRAFT_REFUSED, EndError
from .event import Event
from .results import evaluation, settings
from .safetensors import FormatError, tensors
from .store import File, content_hash, files, read_range
from .store import read as read_object

_RESULT_MAX = 4 * 2**20
_STEPS = (3, 1, 4)
"""Steps, top-k and draft tokens if no evaluation states them: SGLang's own for most models (arg_groups/speculative_hook.py of 0.5.23)."""
_NGRAM_TOKENS = 12
"""Draft tokens of NGRAM: SGLang's own (arg_groups/speculative_hook.py of 0.5.23, `_handle_ngram`)."""


def of_run(config: Config, event: Event) -> dict[str, Any]:
    """Return algorithm, steps, top-k, draft tokens and prefix of the draft that a run promotes.

    Args:
        config: Configuration.
        event: The event; its `draft` holds them where a draft is read.
    """
    own = {"steps": config.steps, "topk": config.topk, "draft_tokens": config.draft_tokens}
    base = {"prefix": config.base.prefix, "bytes": 0}
    if config.kind == "nextn":
        steps, topk, tokens = _STEPS
        default = {"steps": steps, "topk": topk, "draft_tokens": tokens}
        return {"algorithm": "NEXTN", **(own if config.steps else default), **base}
    if config.kind == "ngram":
        tokens = config.draft_tokens or _NGRAM_TOKENS
        return {"algorithm": "NGRAM", "steps": None, "topk": None, "draft_tokens": tokens, **base}
    return {**event.result("draft"), "prefix": config.version_prefix(event.run)}


def source_of(config: Config, event: Event) -> Place:
    """Return the source folder of a run's draft."""
    if config.kind == "eagle":
        return Place.parse(f"{event.result('job')['output'].rstrip('/')}/draft/")
    assert config.draft_source is not None
    return config.draft_source


def read(aws: Aws, config: Config, event: Event, now: dt.datetime, seconds_left: Callable[[], float]) -> dict[str, Any]:
    """Return the description of the draft.

    Raises:
        EndError: SGLang cannot use it; the text states every reason.
    """
    del now, seconds_left
    place = source_of(config, event)
    found = [file for file in files(aws.s3, place) if "/" not in file.name]
    if not found:
        raise _refused(config, [f"{place.uri} is empty"])
    by_name = {file.name: file for file in found}
    body = partial(_body, aws.s3, place)
    problems: list[str] = []
    content = _config(by_name, body, problems)
    weights = {}
    try:
        weights = tensors(
            {name: file.size for name, file in by_name.items()},
            lambda name, first, size: read_range(aws.s3, place.bucket, f"{place.prefix}{name}", first=first, size=size),
            body,
        )
    except FormatError as error:
        problems.append(str(error))
    if problems:
        raise _refused(config, problems)
    findings = check(content, weights, read_config(aws.s3, config))
    if findings.problems:
        raise _refused(config, findings.problems)
    measured = _evaluation(aws.s3, place, config)
    steps, topk, tokens = settings(measured)
    if config.steps and config.topk and config.draft_tokens:
        steps, topk, tokens = config.steps, config.topk, config.draft_tokens
    return {
        "state": "ready",
        "problems": [],
        "notes": findings.notes,
        "source": place.uri,
        "hash": content_hash(found),
        "algorithm": findings.algorithm,
        "steps": steps,
        "topk": topk,
        "draft_tokens": tokens,
        "bytes": findings.weights,
        "tensors_copied": [{"name": name, "bytes": size} for name, size in sorted(findings.copied.items())],
        "config": findings.config,
        "evaluation": measured,
    }


def _body(s3: Any, place: Place, name: str) -> bytes:
    return read_object(s3, place.bucket, f"{place.prefix}{name}") or b""


def _config(found: Mapping[str, File], body: Callable[[str], bytes], problems: list[str]) -> dict[str, Any]:
    if "config.json" not in found:
        problems.append("config.json: missing; a draft has one beside its weights")
        return {}
    try:
        content = json.loads(body("config.json"))
    except ValueError:
        content = None
    if not isinstance(content, Mapping):
        problems.append("config.json: no JSON object; upload the draft again")
        return {}
    return dict(content)


def _evaluation(s3: Any, place: Place, config: Config) -> dict[str, Any]:
    """Return the job's own measurement; a draft trained elsewhere has none, and the gate measures both kinds."""
    if config.kind != "eagle":
        return {"state": "none", "problems": [], "concurrency": []}
    folder = Place(bucket=place.bucket, prefix=f"{place.prefix.removesuffix('draft/')}results/")
    contents = {
        file.name: _body(s3, folder, file.name)
        for file in files(s3, folder)
        if file.name.endswith(".json") and file.size <= _RESULT_MAX
    }
    return evaluation(contents)


def _refused(config: Config, problems: list[str]) -> EndError:
    step = (
        "SGLang cannot use what the job trained; report it with the reason, or train a draft elsewhere and use speculative.draft"
        if config.kind == "eagle"
        else "use another draft, or fix this one, and start again: cdk-sglang eagle start"
    )
    figures = {"problems": problems}
    return EndError(DRAFT_REFUSED, "the draft is refused: " + "; ".join(problems), step, figures=figures)
