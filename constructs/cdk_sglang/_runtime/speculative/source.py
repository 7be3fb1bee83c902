"""The dataset of a run: read from the location in the settings, checked line by line, and written in the training job's format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .clients import Aws
from .config import Config, Place, Training
from .dataset import FIRST_BAD, Counts, Record, Row, blocks, draw, drawn, records, rows
from .ends import INPUTS_REFUSED, EndError
from .formats import line
from .scrub import scrubbed
from .store import File, files
from .upload import Upload

BUILT_IN, CAPTURED = "built_in", "captured"
_ENDINGS = (".jsonl", ".json")
_BAD_SHARE = 0.1
"""Share of bad lines above which a dataset is considered a mistake."""
_CLOCK_EVERY = 500


def prepare(aws: Aws, config: Config, run: str, *, seconds_left: Callable[[], float]) -> dict[str, Any]:
    """Return the dataset that a run trains on, after writing it.

    Args:
        aws: Clients.
        config: Configuration.
        run: Name of the run.
        seconds_left: Returns the remaining time.

    Raises:
        EndError: There is nothing to train on.
    """
    training = config.training
    assert training is not None
    if training.dataset == BUILT_IN:
        return {"format": BUILT_IN, "uri": "", "sha256": BUILT_IN, "lines": None, "bad": 0, "first_bad": []}
    place, found = _files(aws, training)
    is_captured = training.dataset == CAPTURED
    component = config.component if is_captured else ""
    counts = Counts()

    def read(counted: Counts) -> Iterator[Record]:
        return records(_rows(aws, place, found, seconds_left), counted, component=component)

    chosen: Iterable[Record] = read(counts)
    if is_captured:
        bound, available = drawn(read(Counts()), training.captured_samples)
        if available < training.captured_samples:
            raise _refused(
                f"speculative.eagle.captured_samples: {training.captured_samples}, and {place.uri} has {available} conversations of "
                f"{config.component} to train on; wait for more traffic, capture a larger share, or lower it"
            )
        chosen = (record for record in chosen if bound is None or draw(record.id) <= bound)
    key = f"{config.run_prefix(run)}data/train.jsonl"
    written = 0
    lines: Iterable[dict[str, Any]] = (record.content for record in chosen)
    if training.scrub and is_captured:
        lines = scrubbed(aws.lambda_, training.scrub, chosen, counts)
    with Upload(aws.s3, config.bucket, key) as upload:
        for content in lines:
            upload.write(line(content))
            written += 1
        _check(counts, place, is_captured=is_captured, written=written)
    return {
        "format": counts.family,
        "formats": counts.formats,
        "uri": f"s3://{config.bucket}/{key}",
        "sha256": upload.sha256,
        "lines": written,
        "bad": counts.bad,
        "first_bad": counts.first_bad,
        "others": counts.others,
        "dropped": counts.dropped,
    }


def _files(aws: Aws, training: Training) -> tuple[Place, list[File]]:
    if training.dataset == CAPTURED:
        place = training.captured
        if place is None:
            raise _refused("speculative.eagle.dataset: captured, and the endpoint captures nothing; deploy again")
    else:
        try:
            place = Place.parse(training.dataset)
        except ValueError as error:
            raise _refused(f"speculative.eagle.dataset: {error}") from error
    found = [file for file in files(aws.s3, place) if file.name.endswith(_ENDINGS)]
    if not found and not place.prefix.rstrip("/").endswith(_ENDINGS):
        what = "has captured nothing yet" if training.dataset == CAPTURED else "has no .jsonl and no .json file"
        raise _refused(f"speculative.eagle.dataset: {place.uri} {what}")
    if not found:  # the address of one file
        place = Place(bucket=place.bucket, prefix=place.prefix.rstrip("/"))
        found = [file for file in files(aws.s3, place) if not file.name]
        if not found:
            raise _refused(f"speculative.eagle.dataset: {place.uri} does not exist")
    return place, found


def _rows(aws: Aws, place: Place, found: list[File], seconds_left: Callable[[], float]) -> Iterator[Row]:
    count = 0
    for file in found:
        body = aws.s3.get_object(Bucket=place.bucket, Key=f"{place.prefix}{file.name}")["Body"]
        name = file.name or place.prefix.rpartition("/")[2]
        for row in rows(name, blocks(body)):
            count += 1
            if count % _CLOCK_EVERY == 0 and seconds_left() < 0:
                raise _refused(
                    f"speculative.eagle.dataset: {place.uri} was read to {name}:{row.number} when the function's time was over; "
                    "use a sample of it, tens of thousands of conversations are enough"
                )
            yield row


def _check(counts: Counts, place: Place, *, is_captured: bool, written: int) -> None:
    """Reject a dataset that is empty, or has too many bad lines."""
    total = counts.lines + counts.bad + counts.dropped
    bad = "; ".join(counts.first_bad)
    more = f" (the first {FIRST_BAD})" if counts.bad > FIRST_BAD else ""
    if not written:
        others = f", {counts.others} of other components" if counts.others else ""
        removed = f", {counts.dropped} removed by the filter" if counts.dropped else ""
        raise _refused(
            f"speculative.eagle.dataset: {place.uri} has no conversation to train on: {counts.bad} bad lines{others}{removed}"
            + (f": {bad}{more}" if bad else "")
        )
    if not is_captured and counts.bad > _BAD_SHARE * total:
        raise _refused(
            f"speculative.eagle.dataset: {counts.bad} of {total} lines of {place.uri} are bad: {bad}{more}; "
            "expected ShareGPT, OpenAI chat or OpenAI completions, one JSON object a line"
        )


def _refused(reason: str) -> EndError:
    return EndError(INPUTS_REFUSED, reason, "fix the dataset, and start again: cdk-sglang eagle start")
