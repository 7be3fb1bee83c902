"""Whether drafting is faster, held against public measurements: gains and slow-downs."""

from __future__ import annotations

import csv
import dataclasses
import html
import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from cdk_sglang.cli.plan_tables import print_plan
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.planning import ComponentRequest, plan_fleet
from cdk_sglang.planning.calibration import calibration
from cdk_sglang.planning.drafts import DraftKind, Speculation
from cdk_sglang.planning.export import plan_json
from cdk_sglang.planning.features import Load
from cdk_sglang.planning.outlook import SPREAD, Outlook, outlook
from cdk_sglang.planning.page import plan_html
from cdk_sglang.planning.predict import answer
from cdk_sglang.planning.rows import Question, read_question
from cdk_sglang.planning.speculation import fixed_ms, token_times
from tests.planning.test_plan import fleet

MEASURED = Path(__file__).parent / "speculation_measured.csv"
"""Output tokens per second with an EAGLE head over those without, of the same author on the same machine. The lengths of prompts and
answers are not stated by any; those of MT-bench and similar sets are taken."""
BEFORE_OVERLAP = "0.5.5"
"""A release of the time of the measurements: none is of one with overlapped drafting."""


def measured() -> Iterator[tuple[Question, float, str]]:
    with MEASURED.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            cells = {
                "model": row["model"], "gpu": row["gpu"], "n_gpus": row["tp"], "tp": row["tp"], "engine": "sglang",
                "engine_version": BEFORE_OVERLAP, "isl": "200", "osl": "500", "concurrency": row["concurrency"],
            }  # fmt: skip
            accept = float(row["accept_length"])
            drafting = Speculation(
                kind=DraftKind.HEAD,
                steps=int(row["steps"]),
                draft_tokens=int(row["draft_tokens"]),
                accept_length=accept,
            )
            question = dataclasses.replace(read_question(cells), accept_len=accept, speculation=drafting)
            yield question, float(row["speedup"]), row["source"]


def speedup_of(question: Question) -> float:
    assert question.accept_len is not None
    assert question.concurrency is not None
    load = Load(input_tokens=question.input_tokens, output_tokens=question.output_tokens, running=question.concurrency)
    times = token_times(question, [load], calibration(), accept_length=question.accept_len)
    return float(times.plain[0] / times.drafted[0])


def test_gains_and_slow_downs_have_the_sign_that_was_measured() -> None:
    rows = list(measured())
    assert {speedup < 1 for _, speedup, _ in rows} == {True, False}
    assert all(source.startswith("https://github.com/") for _, _, source in rows)
    right = sum((speedup_of(question) < 1) == (speedup < 1) for question, speedup, _ in rows)
    assert (right, len(rows)) == (16, 18)


def test_four_of_five_measured_speed_ups_lie_within_the_spread() -> None:
    errors = sorted(abs(math.log(speedup_of(question) / speedup)) for question, speedup, _ in measured())
    assert sum(errors) / len(errors) < 0.09
    assert errors[math.ceil(0.8 * len(errors)) - 1] <= math.log(SPREAD)


def test_a_prediction_says_whether_drafting_is_faster_and_is_never_sure_of_the_wrong_side() -> None:
    questions, speedups, _ = zip(*measured(), strict=True)
    pattern = r"speculation: (\w+), ([0-9.]+)x of plain decoding \(([0-9.]+) to ([0-9.]+)\)"
    for question, measured_speedup, one in zip(questions, speedups, answer(questions), strict=True):
        note = re.search(pattern, " ".join(one.notes))
        assert note is not None
        low, middle, high = (float(note[index]) for index in (3, 2, 4))
        assert low <= middle <= high
        assert middle == pytest.approx(speedup_of(question), abs=0.011)
        if 1.0 not in {low, high}:  # they are printed rounded
            assert note[1] == ("faster" if low >= 1 else "slower" if high < 1 else "unsure")
        assert note[1] != ("faster" if measured_speedup < 1 else "slower")


def test_an_assumed_accept_length_leaves_open_whether_drafting_is_faster() -> None:
    cells = {
        "model": "Qwen/Qwen3-32B", "gpu": "H200-SXM-141GB", "tp": "1", "engine": "sglang", "isl": "500", "osl": "500", "concurrency": "24",
        "spec_decode": "EAGLE3", "num_steps": "3", "num_draft_tokens": "4",
    }  # fmt: skip
    (assumed, stated) = answer(
        [read_question(cells), read_question({**cells, "accept_len": "3.5", "concurrency": "1"})]
    )
    assert "speculation: unsure" in " ".join(assumed.notes)
    assert "speculation: faster" in " ".join(stated.notes)


def test_steps_and_verified_tokens_of_a_row_are_taken() -> None:
    cells = {
        "model": "Qwen/Qwen3-32B",
        "gpu": "H200-SXM-141GB",
        "spec_decode": "EAGLE3",
        "num_steps": "5",
        "num_draft_tokens": "16",
    }
    speculation = read_question(cells).speculation
    assert speculation is not None
    assert (speculation.steps, speculation.draft_tokens) == (5, 16)
    chain = read_question({**cells, "num_draft_tokens": ""}).speculation
    assert chain is not None
    assert chain.draft_tokens == 6
    with pytest.raises(ConfigurationError, match="num_steps and num_draft_tokens need it"):
        read_question({**cells, "spec_decode": ""})
    with pytest.raises(ConfigurationError, match="a whole number from 1 to 64"):
        read_question({**cells, "num_steps": "0"})


def test_prompts_of_others_take_their_time_whatever_is_accepted() -> None:
    question = dataclasses.replace(next(measured())[0], concurrency=16.0)
    load = Load(input_tokens=4000, output_tokens=100, running=16)
    (short, long) = (token_times(question, [load], calibration(), accept_length=accept) for accept in (2.0, 4.0))
    assert short.others[0] > 1
    assert short.drafted[0] - long.drafted[0] == pytest.approx(short.cycle[0] / 4)


def test_releases_that_prepare_the_next_cycle_pay_less_for_each() -> None:
    assert fixed_ms("sglang", "0.5.23") == fixed_ms("sglang", "") < fixed_ms("sglang", "0.5.9")
    assert fixed_ms("vllm", "0.20.0") == 1.0


def test_more_than_48_requests_wait_unless_max_running_requests_says_otherwise() -> None:
    cells = {
        "model": "Qwen/Qwen3-32B", "gpu": "H200-SXM-141GB", "n_gpus": "2", "tp": "2", "engine": "sglang", "isl": "500", "osl": "500",
        "concurrency": "100", "spec_decode": "EAGLE3", "accept_len": "2.5",
    }  # fmt: skip
    question = read_question(cells)
    bound, free = answer(
        [
            question,
            dataclasses.replace(question, options=dataclasses.replace(question.options, max_running_requests=128)),
        ]
    )
    assert (bound.running, free.running) == (48, 100)
    assert "with speculation SGLang serves 48 requests at once (max_running_requests)" in bound.notes


def outlook_of(model: str, gpu: str, tp: int, concurrency: float, **speculation: object) -> Outlook:
    cells = {
        "model": model,
        "gpu": gpu,
        "n_gpus": str(tp),
        "tp": str(tp),
        "engine": "sglang",
        "isl": "1000",
        "osl": "300",
    }
    drafting = Speculation(**{"kind": DraftKind.HEAD, **speculation})
    found = outlook(dataclasses.replace(read_question(cells), speculation=drafting), concurrency=concurrency)
    assert found is not None
    return found


def test_the_plan_says_from_which_concurrency_drafting_is_slower() -> None:
    found = outlook_of("meta-llama/Llama-3.1-70B-Instruct", "H100-SXM-80GB", 8, 8, accept_length=2.2)
    assert found.speedup > 1
    (turn,) = found.turns
    assert not turn.faster
    assert f"slower from {turn.concurrency:g} in flight" in found.text
    beyond = outlook_of("meta-llama/Llama-3.1-70B-Instruct", "H100-SXM-80GB", 8, turn.concurrency, accept_length=2.2)
    assert beyond.speedup < 1


def test_an_assumed_accept_length_gives_a_range_and_no_promise() -> None:
    assumed = outlook_of("Qwen/Qwen3-30B-A3B", "H100-SXM-80GB", 2, 8)
    known = outlook_of("Qwen/Qwen3-30B-A3B", "H100-SXM-80GB", 2, 8, accept_length=2.0)
    assert assumed.verdict == "unsure"
    assert assumed.high / assumed.low > known.high / known.low
    assert "an accept length of 2 (assumed)" in assumed.text
    assert "an accept length of 2 (given)" in known.text


def test_a_good_draft_on_a_dense_model_is_said_to_be_faster_and_a_bad_one_slower() -> None:
    good = outlook_of("meta-llama/Llama-3.1-8B-Instruct", "H100-SXM-80GB", 1, 1, accept_length=4.5)
    bad = outlook_of("meta-llama/Llama-3.1-8B-Instruct", "H100-SXM-80GB", 1, 1, accept_length=1.0)
    assert (good.verdict, bad.verdict) == ("faster", "slower")
    assert bad.breaks_even == pytest.approx(good.breaks_even)
    assert bad.turning == "slower at every concurrency up to 48"


def test_requests_that_wait_count_against_a_draft() -> None:
    bound = outlook_of("Qwen/Qwen3-32B", "H200-SXM-141GB", 2, 192, accept_length=2.0)
    assert bound.speedup < outlook_of("Qwen/Qwen3-32B", "H200-SXM-141GB", 2, 48, accept_length=2.0).speedup
    assert "SGLang serves 48 at once with a draft, set server.max_running_requests for more" in bound.text


def test_the_plan_of_a_fleet_shows_it_in_the_terminal_on_the_page_and_as_json() -> None:
    request = fleet(qwen={"speculation": Speculation(kind=DraftKind.HEAD, gate=True), "slo": None})
    plan = plan_fleet(request)
    plain = plan_fleet(fleet(qwen={"slo": None}))
    component, alone = plan.endpoints[0].components[0], plain.endpoints[0].components[0]
    found = component.speculation
    assert found is not None
    assert component.memory.kv_tokens < alone.memory.kv_tokens
    assert component.tpot_ms == alone.tpot_ms  # the model alone serves until the gate lets a draft pass
    assert alone.speculation is None
    screen = io.StringIO()
    print_plan(plan, Console(file=screen, width=140))
    assert f"reasoning/qwen: {found.text}" in screen.getvalue().replace("\n", "")
    page = plan_html(plan, request)
    assert html.escape(found.text) in page
    assert "The times above are those of the model alone" in page
    shown_json = json.loads(plan_json(plan))["endpoints"][0]["components"][0]["speculation"]
    assert (shown_json["kind"], shown_json["concurrency"], shown_json["gate"]) == ("head", 16.0, True)


def test_a_component_without_a_described_model_has_no_outlook() -> None:
    question = next(measured())[0]
    unknown = dataclasses.replace(question.facts.architecture, kv_known=False)
    facts = dataclasses.replace(question.facts, architecture=unknown)
    assert outlook(dataclasses.replace(question, facts=facts), concurrency=1) is None
    assert ComponentRequest(name="c", facts=question.facts).speculation is None
