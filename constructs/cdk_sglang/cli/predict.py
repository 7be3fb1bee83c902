"""`cdk-sglang predict`: read a table of configurations, write a table of predictions.

Rows are read and predicted in batches, so a table of any size needs little memory. A row without a prediction keeps its
place, with empty numbers and a note.
"""

from __future__ import annotations

import csv
import io
import sys
from itertools import islice
from pathlib import Path  # typer reads annotations when it runs
from typing import TYPE_CHECKING, Annotated, TextIO, TypeAlias

import typer

from cdk_sglang.cli.own import own_models, own_prices
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.planning.predict import answer
from cdk_sglang.planning.price import cheapest_gpu_hour, token_prices
from cdk_sglang.planning.rows import INPUT_COLUMNS, read_question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cdk_sglang.hardware import PriceTable
    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.planning.calibration import Calibration
    from cdk_sglang.planning.predict import Answer, Band
    from cdk_sglang.planning.rows import Question

OUTPUT_COLUMNS = (
    "row_id", "fits", "weights_gib_per_gpu", "kv_bytes_per_token_per_gpu", "kv_tokens", "ttft_ms", "ttft_low_ms",
    "ttft_high_ms", "tpot_ms", "tpot_low_ms", "tpot_high_ms", "output_tok_s_per_gpu", "usd_per_million_input_tokens",
    "usd_per_million_output_tokens", "note",
)  # fmt: skip
BATCH = 1000
LONGEST_CELL = 10_000
"""Maximum characters of a cell; a longer cell is an unclosed quote, not a name or a number."""

LONGEST_LINE = 1_000_000
REMEMBERED = 20_000
"""Configurations whose predictions are cached: large tables repeat them."""

_Cells: TypeAlias = "tuple[str | None, ...]"
_CONFIGURATION_COLUMNS = tuple(name for name in INPUT_COLUMNS if name != "row_id")


def predict(
    models: Annotated[
        list[Path] | None,
        typer.Option("--models", help="Directory or file of models made with `cdk-sglang models add`."),
    ] = None,
    prices: Annotated[
        Path | None, typer.Option("--prices", help="A file written by `cdk-sglang prices update`.")
    ] = None,
    measured: Annotated[
        Path | None,
        typer.Option(
            "--calibration",
            help="File or folder of `cdk-sglang bench`, or of `eagle report --calibration`, which calibrates predictions near its figures.",
        ),
    ] = None,
) -> None:
    """Read configurations as CSV on stdin, write predictions as CSV on stdout, one row each in the same order."""
    known = own_models(models)
    source = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", errors="replace", newline="")
    target = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="", write_through=False)
    progress = _show_progress if sys.stderr.isatty() else None
    using = None if measured is None else _learned(measured, known)
    predict_table(
        source,
        target,
        models=known,
        prices=own_prices(prices),
        progress=progress,
        using=using,
        warn=lambda line: typer.echo(f"predict: {line}", err=True),
    )
    if progress:
        sys.stderr.write("\n")
    target.flush()
    target.detach()


def _learned(path: Path, models: tuple[ModelFacts, ...]) -> Calibration:
    """Return the package's calibration with the measurements of a file, or of every file below a folder."""
    from cdk_sglang.benchmarking.calibration import read_files

    try:
        found = read_files(path, models=models)
        for note in (*found.unread, *found.left_out):
            typer.echo(f"predict: {note}", err=True)
        return found.calibration().calibration
    except ConfigurationError as error:
        raise ConfigurationError([Problem("--calibration", problem) for problem in error.problems]) from None


def _show_progress(rows: int) -> None:
    sys.stderr.write(f"\r{rows:,} rows")
    sys.stderr.flush()


def predict_table(
    source: TextIO,
    target: TextIO,
    *,
    models: tuple[Path | ModelFacts, ...] = (),
    prices: PriceTable | None = None,
    progress: Callable[[int], None] | None = None,
    using: Calibration | None = None,
    warn: Callable[[str], None] | None = None,
) -> None:
    """Predict every row of a CSV table.

    Args:
        source: Table with the columns of `INPUT_COLUMNS`, in any order; unknown ones are ignored.
        target: File for the table of `OUTPUT_COLUMNS`.
        models: The user's own models, or directories or files of them.
        prices: The user's own prices; None for the package's alone.
        progress: Called after each batch with the number of rows written so far.
        using: Calibration to predict with; that of the package if None.
        warn: Called with a line about a column that the figures wrongly leave out.

    Raises:
        ConfigurationError: There is no header line with at least one known column.
    """
    csv.field_size_limit(LONGEST_CELL)
    rows = _rows(source, warn)
    # The first batch is read before anything is written, so that a table without a header gets an error and no output.
    batch = list(islice(rows, BATCH))
    writer = csv.DictWriter(target, OUTPUT_COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    answers_by_configuration: dict[_Cells, dict[str, str]] = {}
    written = 0
    while batch:
        writer.writerows(_answers(batch, models, prices, answers_by_configuration, using))
        written += len(batch)
        if progress:
            progress(written)
        batch = list(islice(rows, BATCH))


def predicted_rows(
    rows: Sequence[Mapping[str, str | None]],
    *,
    models: tuple[Path | ModelFacts, ...] = (),
    prices: PriceTable | None = None,
) -> list[dict[str, str]]:
    """Return the predictions of some rows, in their order, each with the columns of `OUTPUT_COLUMNS` that are known.

    Args:
        rows: Cells by the names of `INPUT_COLUMNS`.
        models: The user's own models, or directories or files of them.
        prices: The user's own prices; None for the package's alone.
    """
    return _answers(list(rows), models, prices, {}, None)


def _lines(source: TextIO) -> Iterator[str]:
    """Yield lines without zero bytes; the rest of an overlong line is skipped without keeping it in memory."""
    while line := source.readline(LONGEST_LINE):
        rest = line
        while len(rest) == LONGEST_LINE and not rest.endswith("\n"):
            rest = source.readline(LONGEST_LINE)
        yield line.replace("\0", "")


def _rows(source: TextIO, warn: Callable[[str], None] | None) -> Iterator[Mapping[str, str | None]]:
    reader = csv.reader(_lines(source))
    try:
        header = [name.strip().lower() for name in next(reader)]
    except (StopIteration, csv.Error):
        header = []
    if not set(header) & set(INPUT_COLUMNS):
        expected = ",".join(INPUT_COLUMNS)
        raise ConfigurationError(
            [Problem("stdin", f"no header line with known columns; the first line must name them: {expected}")]
        )
    images = [name for name in header if name.startswith("image") and name not in INPUT_COLUMNS]
    if images and warn is not None:
        warn(
            f"{', '.join(images)}: images are not read; add their tokens to isl (`load: {{images: …}}` of an environment and "
            "`cdk-sglang plan` count them), and know that the encoder's time is missing"
        )
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield {"row_id": "", "_unreadable": f"line {reader.line_num}: {error}; check its quotes"}
            continue
        if cells:
            yield dict(zip(header, cells, strict=False))


def _answers(
    batch: list[Mapping[str, str | None]],
    models: tuple[Path | ModelFacts, ...],
    prices: PriceTable | None,
    answers_by_configuration: dict[_Cells, dict[str, str]],
    using: Calibration | None,
) -> list[dict[str, str]]:
    """Return the answers of a batch; earlier configurations are looked up in `answers_by_configuration`."""
    if len(answers_by_configuration) > REMEMBERED:
        answers_by_configuration.clear()
    keys = [tuple(row.get(name) for name in _CONFIGURATION_COLUMNS) for row in batch]
    questions: list[tuple[_Cells, Question]] = []
    for row, key in zip(batch, keys, strict=True):
        if key in answers_by_configuration or "_unreadable" in row:
            continue
        answers_by_configuration[key] = {}
        try:
            questions.append((key, read_question(row, models=models)))
        except ConfigurationError as error:
            answers_by_configuration[key] = {"note": "; ".join(error.problems)}
    for (key, question), prediction in zip(
        questions, answer([question for _, question in questions], using=using), strict=True
    ):
        answers_by_configuration[key] = _cells(question, prediction, prices)
    return [
        {"row_id": (row.get("row_id") or "").strip()}
        | ({"note": str(row["_unreadable"])} if "_unreadable" in row else answers_by_configuration[key])
        for row, key in zip(batch, keys, strict=True)
    ]


def _cells(question: Question, prediction: Answer, prices: PriceTable | None) -> dict[str, str]:
    memory = prediction.memory
    cells = {
        "fits": "yes" if prediction.fits else "no",
        "weights_gib_per_gpu": f"{memory.weights_gib:.3f}",
        "note": "; ".join((*prediction.problems, *prediction.notes)),
    }
    if question.facts.described:
        cells["kv_bytes_per_token_per_gpu"] = f"{memory.kv.all_layers:.0f}"
        cells["kv_tokens"] = str(memory.kv_tokens)
    for name, band in (("ttft", prediction.ttft_ms), ("tpot", prediction.tpot_ms)):
        cells.update(_band_cells(name, band))
    rate = prediction.output_tok_s_per_gpu
    if rate is not None and prediction.prompt_share is not None:
        cells["output_tok_s_per_gpu"] = f"{rate.value:.4g}"
        name = question.gpu.name
        offers = (cheapest_gpu_hour(name, gpus, prices=prices) for gpus in (question.split.gpus, 1))
        offer = next(filter(None, offers), None)
        if offer is not None:
            tokens = token_prices(
                usd_per_hour=offer[0],
                output_tok_s=rate.value,
                input_tokens=question.input_tokens,
                output_tokens=question.output_tokens,
                prompt_share=prediction.prompt_share,
            )
            cells["usd_per_million_input_tokens"] = f"{tokens.input:.4g}"
            cells["usd_per_million_output_tokens"] = f"{tokens.output:.4g}"
    return cells


def _band_cells(name: str, band: Band | None) -> dict[str, str]:
    if band is None:
        return {}
    return {
        f"{name}_ms": f"{band.value:.5g}",
        f"{name}_low_ms": f"{band.low:.5g}",
        f"{name}_high_ms": f"{band.high:.5g}",
    }
