"""The contract of `cdk-sglang predict`."""

from __future__ import annotations

import csv
import io
import itertools
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdk_sglang.cli.predict import OUTPUT_COLUMNS, predict_table
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.planning.rows import INPUT_COLUMNS

LLAMA = {
    "row_id": "r",
    "model": "meta-llama/Llama-3.1-8B-Instruct",
    "gpu": "H100-SXM-80GB",
    "tp": "1",
    "isl": "1024",
    "osl": "256",
    "concurrency": "16",
    "engine": "sglang",
}


def predict(*rows: dict[str, str]) -> list[dict[str, str]]:
    """Predict rows given as dictionaries."""
    text = io.StringIO()
    writer = csv.DictWriter(text, INPUT_COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return predict_text(text.getvalue())


def predict_text(text: str) -> list[dict[str, str]]:
    """Predict a table given as text."""
    target = io.StringIO()
    predict_table(io.StringIO(text), target)
    answers = list(csv.DictReader(io.StringIO(target.getvalue())))
    assert all(tuple(row) == OUTPUT_COLUMNS for row in answers)
    return answers


def test_a_plain_row_is_answered_in_every_column() -> None:
    (row,) = predict(LLAMA)
    assert row["fits"] == "yes"
    assert all(row[name] for name in OUTPUT_COLUMNS if name != "note")
    assert float(row["tpot_low_ms"]) < float(row["tpot_ms"]) < float(row["tpot_high_ms"])
    assert float(row["ttft_low_ms"]) < float(row["ttft_ms"]) < float(row["ttft_high_ms"])
    assert row["kv_bytes_per_token_per_gpu"] == "131072"


def test_rows_keep_their_order_and_ids_over_many_batches() -> None:
    rows = [{**LLAMA, "row_id": f"id {number}"} for number in range(2300)]
    assert [row["row_id"] for row in predict(*rows)] == [row["row_id"] for row in rows]


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"model": "meta-llama/Llama-3.1-9B"}, "model: unknown model 'meta-llama/Llama-3.1-9B'; did you mean"),
        ({"model": ""}, "model: missing"),
        ({"gpu": "H100-SXM-81GB"}, "unknown GPU 'H100-SXM-81GB'; did you mean 'H100-SXM-80GB'"),
        ({"gpu": ""}, "gpu: missing"),
        ({"isl": "0"}, "isl: 0 is out of range"),
        ({"osl": "-5"}, "osl: -5 is out of range"),
        ({"isl": "nan"}, "isl: nan is out of range"),
        ({"concurrency": "inf"}, "concurrency: inf is out of range"),
        ({"concurrency": "many"}, "concurrency: 'many' is not a number"),
        ({"tp": "1.5"}, "tp: 1.5 is out of range; a whole number"),
        ({"weights_dtype": "fp3"}, "weights_dtype: unknown format"),
        ({"kv_dtype": "int1"}, "kv_dtype: unknown format"),
        ({"engine": "tgi"}, "engine: unknown engine 'tgi'"),
        ({"mem_fraction": "1.5"}, "mem_fraction: 1.5 is out of range"),
    ],
)
def test_a_row_that_cannot_be_predicted_says_why(changes: dict[str, str], note: str) -> None:
    (row,) = predict({**LLAMA, **changes})
    assert note in row["note"]
    assert row["row_id"] == "r"
    assert all(not row[name] for name in OUTPUT_COLUMNS if name not in {"row_id", "note"})


def test_what_does_not_fit_is_said_with_what_to_do() -> None:
    (row,) = predict({**LLAMA, "model": "Qwen/Qwen3-235B-A22B-FP8", "gpu": "L40S-48GB", "tp": "4"})
    assert row["fits"] == "no"
    assert "short per GPU; use more GPUs" in row["note"]
    (row,) = predict({**LLAMA, "model": "Qwen/Qwen3-235B-A22B-FP8", "gpu": "H200-SXM-141GB", "tp": "8"})
    assert row["fits"] == "no"
    assert "use tp 4, or expert parallelism" in row["note"]
    (row,) = predict({**LLAMA, "model": "Qwen/Qwen3-8B", "weights_dtype": "fp8", "gpu": "A10G-24GB"})
    assert row["fits"] == "yes"
    assert "A10G has no fp8 arithmetic: SGLang keeps fp8 weights as they are" in row["note"]
    (row,) = predict({**LLAMA, "model": "Qwen/Qwen3-30B-A3B", "weights_dtype": "fp8", "gpu": "A100-SXM-40GB"})
    assert row["fits"] == "no"
    assert "SGLang has no weight-only kernel for experts in fp8" in row["note"]


def test_the_longest_request_asked_for_must_fit_too() -> None:
    deepseek = {
        **LLAMA,
        "model": "deepseek-ai/DeepSeek-R1",
        "gpu": "RTX-PRO-6000-BW-SE-96GB",
        "tp": "8",
        "mem_fraction": "0.9",
    }
    short, long = predict({**deepseek, "context_len": "65536"}, {**deepseek, "context_len": "163840"})
    assert short["fits"] == "yes"
    assert long["fits"] == "no"
    assert "short per GPU for a request of 163840 tokens; use more GPUs" in long["note"]


def test_the_engines_release_decides_the_share_of_memory_when_none_is_given() -> None:
    small = {**LLAMA, "gpu": "A10G-24GB", "kv_dtype": "bf16", "isl": "1000", "osl": "200", "engine": "sglang"}
    releases = ("0.5.19", "0.5.20", "0.5.23", "0.5.9", "")
    found = predict(*({**small, "engine_version": version} for version in releases))
    assert [row["fits"] for row in found] == ["yes", "no", "no", "yes", "no"]


def test_context_beyond_the_models_is_noted() -> None:
    (row,) = predict({**LLAMA, "model": "Qwen/Qwen3-8B", "context_len": "100000"})
    assert "is beyond the model's 40960" in row["note"]


def test_a_column_of_images_is_said_not_to_be_read() -> None:
    warned: list[str] = []
    for column in ("Images", "remark"):
        table = f"model,gpu,{column}\nQwen/Qwen3-VL-8B-Instruct,L40S-48GB,2\n"
        predict_table(io.StringIO(table), io.StringIO(), warn=warned.append)
    (line,) = warned
    assert line.startswith("images: images are not read; add their tokens to isl")


def test_unknown_and_missing_columns_are_survivable() -> None:
    (row,) = predict_text("colour,model,gpu\nred,Qwen/Qwen3-8B,H100\n")
    assert row["tpot_ms"]
    assert "isl assumed 1024" in row["note"]
    (row,) = predict_text("row_id,gpu\n7,H100\n")
    assert (row["row_id"], row["note"][:14]) == ("7", "model: missing")


@pytest.mark.parametrize("text", ["", "\n", "a,b\n1,2\n"])
def test_a_table_without_a_header_is_refused_and_nothing_is_written(text: str) -> None:
    target = io.StringIO()
    with pytest.raises(ConfigurationError, match="no header line with known columns"):
        predict_table(io.StringIO(text), target)
    assert not target.getvalue()


def test_short_long_empty_and_broken_rows_keep_the_table_going() -> None:
    text = (
        "row_id,model,gpu\n1\n2,Qwen/Qwen3-8B,H100,9,9,9\n\n3,\x00Qwen/Qwen3-8B,H100\n"
        f'4,"{"x" * 20000}",H100\n'
        "5,Qwen/Qwen3-8B,H100\n"
    )
    answers = predict_text(text)
    assert [row["row_id"] for row in answers] == ["1", "2", "3", "", "5"]
    assert "field larger than field limit" in answers[3]["note"]
    assert answers[4]["tpot_ms"]


def test_a_line_that_never_ends_is_one_row_with_a_note() -> None:
    rows = predict_text("row_id,model\na," + "x" * 3_500_000 + "\nb,\n")
    assert [(row["row_id"], bool(row["note"])) for row in rows] == [("", True), ("b", True)]
    assert rows[0]["note"].endswith("check its quotes")


class Wrong(io.TextIOBase):
    """A table of wrong rows that is never in memory as a whole."""

    def __init__(self, rows: int) -> None:
        """Start before the header."""
        self._lines = iter(["row_id,model,gpu\n"])
        self._rows = (f"{number},,,\n" for number in range(rows))

    def readline(self, _size: int = -1, /) -> str:
        """Give the next line."""
        return next(self._lines, None) or next(self._rows, "")


class Counter(io.TextIOBase):
    """Counts what is written, and keeps nothing."""

    lines = 0

    def write(self, text: str, /) -> int:
        """Count."""
        self.lines += text.count("\n")
        return len(text)


def test_memory_does_not_grow_with_the_table() -> None:
    def peak(rows: int) -> int:
        target = Counter()
        tracemalloc.start()
        predict_table(Wrong(rows), target)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert target.lines == rows + 1
        return most

    peak(2000)  # what is remembered once
    assert peak(20_000) < 2 * peak(2000)


def test_more_load_is_never_predicted_to_be_faster() -> None:
    rows = [{**LLAMA, "concurrency": str(2**n)} for n in range(7)]
    for name in ("tpot_ms", "ttft_ms"):
        values = [float(row[name]) for row in predict(*rows)]
        assert all(later > 0.97 * earlier for earlier, later in itertools.pairwise(values))


def test_speculation_can_be_predicted_to_be_slower() -> None:
    fast, slow = predict(
        {**LLAMA, "concurrency": "1", "spec_decode": "EAGLE", "accept_len": "4"},
        {**LLAMA, "concurrency": "512", "spec_decode": "EAGLE", "accept_len": "1.1"},
    )
    assert "speculation: " in fast["note"]
    assert "slower" not in fast["note"]
    assert "speculation: slower, " in slow["note"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(INPUT_COLUMNS),
            st.one_of(
                st.text('ab1.,-" ;é\\n', max_size=12),
                st.sampled_from(["0", "1", "8", "-1", "1e308", "nan", "H100", "Qwen/Qwen3-8B", "fp8", "vllm"]),
            ),
        ),
        max_size=5,
    )
)
def test_no_table_breaks_it_and_every_row_is_answered(rows: list[dict[str, str]]) -> None:
    rows = [{**LLAMA, **row} for row in rows]
    assert len(predict(*rows)) == len(rows)


def test_a_copy_over_more_gpus_than_an_instance_has_gets_its_memory_and_no_times() -> None:
    (row,) = predict({**LLAMA, "n_gpus": "16", "tp": "16"})
    assert row["fits"] == "no"
    assert not row["tpot_ms"]
    assert float(row["weights_gib_per_gpu"]) > 0
    assert "16 GPUs are more than one instance has" in row["note"]


def test_requests_beyond_the_cache_wait_and_are_decoded_in_smaller_steps() -> None:
    long = {**LLAMA, "gpu": "L4-24GB", "mem_fraction": "0.88", "kv_dtype": "bf16", "isl": "4000", "osl": "400"}
    few, many = predict({**long, "concurrency": "8"}, {**long, "concurrency": "64"})
    assert "the rest waits" in many["note"]
    assert float(many["tpot_ms"]) < 1.5 * float(few["tpot_ms"])
    assert float(many["ttft_ms"]) > 400 * float(many["tpot_ms"])


def test_the_concurrency_of_dp_attention_is_that_of_all_gpus_in_sglangs_notation() -> None:
    model = {**LLAMA, "model": "deepseek-ai/DeepSeek-R1", "gpu": "B200-SXM-180GB", "concurrency": "64", "ep": "8"}
    whole, group = predict(
        {**model, "n_gpus": "8", "tp": "8", "dp": "8"},
        {**model, "n_gpus": "8", "tp": "1", "dp": "8", "concurrency": "8"},
    )
    assert whole["tpot_ms"] == group["tpot_ms"]


def test_a_repeated_configuration_is_answered_alike_under_each_id() -> None:
    other = {**LLAMA, "concurrency": "32"}
    answers = predict(*({**row, "row_id": str(number)} for number, row in enumerate([LLAMA, other] * 700)))
    assert [row.pop("row_id") for row in answers] == [str(number) for number in range(1400)]
    assert answers == answers[:2] * 700
    assert answers[0] != answers[1]


def test_progress_is_told_batch_by_batch() -> None:
    counts: list[int] = []
    text = "model,gpu\n" + "x,y\n" * 2500
    predict_table(io.StringIO(text), io.StringIO(), progress=counts.append)
    assert counts == [1000, 2000, 2500]


def test_options_that_decide_the_share_of_memory_are_columns() -> None:
    model = {**LLAMA, "gpu": "A10G-24GB", "engine_version": "0.5.23", "isl": "2048"}
    plain, lean, few = predict(
        model,
        {**model, "chunked_prefill_size": "2048", "cuda_graph_max_bs": "24"},
        {**LLAMA, "max_running_requests": "8"},
    )
    assert (plain["fits"], lean["fits"]) == ("no", "yes")
    assert "SGLang serves 8 requests at once (max_running_requests)" in few["note"]


def test_a_release_without_known_rules_is_noted() -> None:
    known, newer, none = predict(
        {**LLAMA, "engine_version": "0.5.21"}, {**LLAMA, "engine_version": "0.6.1"}, {**LLAMA, "engine_version": ""}
    )
    assert "no rules of that release are known, those of 0.5.23 are used" in newer["note"]
    assert "no rules" not in known["note"] + none["note"]


@pytest.mark.parametrize(
    ("column", "cell"),
    [("chunked_prefill_size", "1.5"), ("cuda_graph_max_bs", "0"), ("max_running_requests", "many")],
)
def test_an_option_that_is_no_whole_number_is_named(column: str, cell: str) -> None:
    (row,) = predict({**LLAMA, column: cell})
    assert row["fits"] != "yes"
    assert column in row["note"]
