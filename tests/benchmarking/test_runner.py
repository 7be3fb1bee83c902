"""Runs of a workload: every outcome by its name, with what was measured kept. A program that is no AIPerf writes AIPerf's own records."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, EndpointConnectionError, TokenRetrievalError

from cdk_sglang import ConfigurationError, Dataset, Goodput, Load, SharedPrefix, Slo, Turns, Workload
from cdk_sglang.benchmarking.aiperf.configuration import TOKEN_VARIABLE, Address, configuration
from cdk_sglang.benchmarking.aiperf.process import INTERRUPTED, Ended, find_aiperf, run_aiperf
from cdk_sglang.benchmarking.aiperf.records import figures_of, records_of
from cdk_sglang.benchmarking.dataset import fetch_dataset, line_problems
from cdk_sglang.benchmarking.resolved import ResolvedWorkload, resolve_workload
from cdk_sglang.benchmarking.result import Outcome
from cdk_sglang.benchmarking.runner import Run, Setup, run_workload
from cdk_sglang.benchmarking.senders import AiperfSender
from cdk_sglang.benchmarking.target import BenchEnvironment
from tests.support.benchmarks import DEPLOYED, TARGET

DATA = Path(__file__).parent / "data"
ADDRESS = Address(url="http://127.0.0.1:1", path="/chat", needs_token=True)


def resolved(**values: Any) -> ResolvedWorkload:
    return resolve_workload("steady", Workload(**values), load=Load(), slo=Slo(ttft_ms=500, at_concurrency=8))


def leaves(name: str, **ended: Any) -> Callable[..., Ended]:
    """A run of AIPerf that leaves some records and ends in some way."""

    def run(executable: Path, file: Path, **_: Any) -> Ended:
        folder = Path(json.loads(file.read_text())["benchmark"]["artifacts"]["dir"])
        if name:
            (folder / "profile_export.jsonl").write_bytes((DATA / name / "profile_export.jsonl").read_bytes())
        return Ended(**{"code": 0, "reason": None, "log": "", **ended})

    return run


@pytest.fixture
def measure(tmp_path: Path) -> Callable[..., Run]:
    def run(aiperf: Callable[..., Ended], **changes: Any) -> Run:
        workload = changes.pop("workload", resolved(concurrency=(1, 2), repeats=2))
        sender = AiperfSender(
            executable=Path("aiperf"), workload=workload, model="m", tokenizer="t", dataset=None, run=aiperf,
            address=lambda _: contextlib.nullcontext((ADDRESS, {})),
        )  # fmt: skip
        setup = Setup(
            send=sender, tool_version="0.13.0", folder=tmp_path, runner="aiperf-openai", has_ended=lambda: None,
            deployed=DEPLOYED, wake_seconds=9.0, say=lambda _: None,
        )  # fmt: skip
        return run_workload(TARGET, workload, dataclasses.replace(setup, **changes), identifier="a")

    return run


def test_every_step_is_measured_in_every_repeat(measure: Callable[..., Run]) -> None:
    run = measure(leaves("good"))
    assert (run.outcome, run.reason) == (Outcome.COMPLETED, "")
    assert [(one.repeat, one.concurrency) for one in run.measurements] == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert {one.figures.requests for one in run.measurements} == {12}
    assert {one.wake_seconds for one in run.measurements} == {9.0}
    assert {one.usd_per_hour for one in run.measurements} == {TARGET.usd_per_hour("ml.g6e.2xlarge", 1)}


@pytest.mark.parametrize(
    ("aiperf", "changes", "outcome", "reason"),
    [
        (leaves("good", reason=INTERRUPTED), {}, Outcome.INTERRUPTED, "interrupted; what was measured until then is kept"),
        (leaves("good", reason="$1.00 of max_usd $1 are spent"), {}, Outcome.CEILING_REACHED, r"\$1.00 of max_usd \$1 are spent;"),
        (leaves("refused", code=1), {}, Outcome.NO_SUCCESSES, "no request of 6 was answered: 6 x 403 AccessDeniedException"),
        (leaves("refused"), {"has_ended": lambda: "prod-chat does not exist any more"}, Outcome.ENDPOINT_ENDED, "6 of 6 requests failed"),
        (leaves("", code=1, log="no tokenizer"), {}, Outcome.TOOL_FAILED, "exit code 1 and no request; it wrote:\nno tokenizer"),
    ],
)  # fmt: skip
def test_a_run_that_ends_early_says_why_and_keeps_what_it_has(
    measure: Callable[..., Run], aiperf: Callable[..., Ended], changes: dict[str, Any], outcome: Outcome, reason: str
) -> None:
    run = measure(aiperf, **changes)
    assert run.outcome is outcome
    assert re.search(reason, run.reason), run.reason
    assert len(run.measurements) == 1
    assert run.measurements[0].outcome is outcome
    assert run.measurements[0].is_partial is (outcome in {Outcome.INTERRUPTED, Outcome.CEILING_REACHED})


def test_a_step_in_which_requests_are_throttled_ends_the_run(measure: Callable[..., Run]) -> None:
    lines = (DATA / "good" / "profile_export.jsonl").read_text().splitlines()
    record = json.loads(lines[-1])
    error = {"code": 429, "type": "Too Many Requests", "message": '{"__type": "ThrottlingException"}'}
    lines[-1] = json.dumps({**record, "metrics": {}, "error": error})

    def aiperf(_: Path, file: Path, **__: Any) -> Ended:
        (file.parent / "profile_export.jsonl").write_text("\n".join(lines))
        return Ended(code=0, reason=None, log="")

    run = measure(aiperf)
    assert run.outcome is Outcome.THROTTLED
    assert run.measurements[0].figures.errors == {"429 ThrottlingException": 1}
    assert "1 of 12 requests were throttled; raise the account's quota" in run.reason


@pytest.mark.parametrize(
    "error",
    [EndpointConnectionError(endpoint_url="https://runtime"), TokenRetrievalError(provider="sso", error_msg="expired")],
)
def test_a_network_or_a_sign_in_that_ends_during_a_run_keeps_what_was_measured(
    measure: Callable[..., Run], error: BotoCoreError
) -> None:
    first = leaves("good")
    calls: list[int] = []

    def aiperf(*words: Any, **more: Any) -> Ended:
        calls.append(1)
        if len(calls) == 2:
            raise error
        return first(*words, **more)

    run = measure(aiperf)
    assert (run.outcome, run.reason) == (Outcome.TOOL_FAILED, str(error))
    assert [(one.figures.requests, one.outcome) for one in run.measurements] == [(12, Outcome.TOOL_FAILED)]
    calls[:] = [1]  # the first request of a run
    with pytest.raises(type(error)):
        measure(aiperf)


def test_the_ceiling_is_what_the_instances_cost_since_the_start(measure: Callable[..., Run]) -> None:
    hourly = TARGET.usd_per_hour("ml.g6e.2xlarge", 1)
    assert hourly is not None
    seconds = iter(hour * 3600 for hour in (0, 0, 0.9, 1.1, 1.1))
    reasons = []

    def aiperf(*_: Any, stop: Callable[[], str | None], **__: Any) -> Ended:
        reasons.extend([stop(), stop()])
        return Ended(code=0, reason=reasons[-1], log="")

    run = measure(aiperf, elapsed=lambda: next(seconds), workload=resolved(max_usd=hourly))
    assert reasons == [None, f"${hourly * 1.1:.2f} of max_usd ${hourly:g} are spent"]
    assert run.outcome is Outcome.CEILING_REACHED


@pytest.mark.parametrize("jump", [3600.0, -3600.0, -2.0])
def test_a_clock_that_is_set_during_a_repeat_is_said_marks_it_and_moves_no_ceiling(
    measure: Callable[..., Run], jump: float
) -> None:
    lines: list[str] = []
    seconds, set_by = [0.0], [0.0]

    def aiperf(_: Path, file: Path, *, stop: Callable[[], str | None], **__: Any) -> Ended:
        seconds[0] += 60
        set_by[0] += jump if seconds[0] == 120 else 0  # in the second step
        (file.parent / "profile_export.jsonl").write_bytes((DATA / "good" / "profile_export.jsonl").read_bytes())
        return Ended(code=0, reason=stop(), log="")

    hourly = TARGET.usd_per_hour("ml.g6e.2xlarge", 1)
    run = measure(
        aiperf,
        now=lambda: dt.datetime(2026, 11, 30, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds[0] + set_by[0]),
        elapsed=lambda: seconds[0],
        say=lines.append,
        workload=resolved(concurrency=(1, 2), repeats=2, max_usd=hourly),
    )
    assert run.outcome is Outcome.COMPLETED
    assert [one.is_partial for one in run.measurements] == [False, True, False, False]
    (line,) = [line for line in lines if "clock" in line]
    assert line.startswith(f"the machine's clock was set by {jump:+.1f} s during this repeat")


def test_figures_do_not_depend_on_the_clock_of_the_machine_that_sends() -> None:
    lines = (DATA / "good" / "profile_export.jsonl").read_text().splitlines()
    hour = 3600 * 10**9

    def behind(line: str) -> str:
        record = json.loads(line)
        for name in ("request_start_ns", "request_end_ns"):
            record["metadata"][name] -= hour
        return json.dumps(record)

    goodput = Goodput(ttft_ms=500)
    late = figures_of(records_of(map(behind, lines)), goodput=goodput)
    assert late == figures_of(records_of(lines), goodput=goodput)


SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: (print("results written"), sys.exit(0)))
print("started", flush=True)
time.sleep(60)
"""


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    program = tmp_path / "aiperf"
    program.write_text(f"#!{sys.executable}\n{SLOW}")
    program.chmod(0o755)
    return program


def started(log: Path) -> bool:
    return log.exists() and "started" in log.read_text()


def test_a_step_that_is_stopped_gets_to_write_its_results(slow: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    ended = run_aiperf(slow, tmp_path / "c", log=log, environment={}, stop=lambda: "enough" if started(log) else None)
    assert (ended.code, ended.reason) == (0, "enough")
    assert ended.log.endswith("results written")


def test_ctrl_c_ends_a_step_as_interrupted(slow: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"

    def stop() -> None:
        if started(log):
            signal.raise_signal(signal.SIGINT)

    assert threading.current_thread() is threading.main_thread()
    ended = run_aiperf(slow, tmp_path / "c", log=log, environment={}, stop=stop)
    assert (ended.reason, ended.log) == (INTERRUPTED, "started\nresults written")


def test_aiperf_that_is_not_installed_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CDK_SGLANG_AIPERF", raising=False)
    with pytest.raises(ConfigurationError, match="make bench-tools"):
        find_aiperf()
    with pytest.raises(ConfigurationError, match="is no program"):
        find_aiperf(tmp_path / "nothing")


# --- configuration ------------------------------------------------------------------------------------------------

WORKLOADS: dict[str, dict[str, Any]] = {
    "ladder": {"concurrency": (1, 8), "goodput": Goodput(ttft_ms=500, tpot_ms=50, request_ms=9000)},
    "rate": {"request_rate": (0.5, 4.0), "max_in_flight": 32},
    "constant": {"request_rate": (2.0,), "arrival": "constant", "requests": 50},
    "seconds": {"concurrency": (4,), "seconds": 30, "warmup_requests": 0},
    "prefix": {"input_tokens": 900, "input_tokens_stddev": 90, "shared_prefix": SharedPrefix(tokens=512, prefixes=4)},
    "talk": {"turns": Turns(mean=4, stddev=1, delay_ms=500), "exact_output": False},
    "own": {"dataset": Dataset(file="own.jsonl"), "output_tokens": 32},
    "trace": {"dataset": Dataset(file="trace.jsonl", format="mooncake_trace")},
}


def configured(name: str, tmp_path: Path) -> list[dict[str, Any]]:
    workload = resolved(**WORKLOADS[name])
    dataset = tmp_path / "own.jsonl"
    dataset.write_text(
        '{"text": "hello"}\n' if name == "own" else '{"timestamp": 0, "input_length": 8, "output_length": 8}\n'
    )
    return [
        configuration(workload, step, ADDRESS, model="m", tokenizer="builtin", folder=tmp_path / "out", dataset=dataset)
        for step in workload.steps
    ]


def test_aiperf_itself_accepts_every_configuration(tmp_path: Path, root: Path) -> None:
    python = root / ".venv-bench" / "bin" / "python"
    if not python.exists():
        pytest.skip("AIPerf is not installed: make bench-tools")
    files = []
    for name in WORKLOADS:
        (tmp_path / name).mkdir()
        for position, content in enumerate(configured(name, tmp_path / name)):
            files.append(tmp_path / f"{name}-{position}.json")
            files[-1].write_text(json.dumps(content))
    code = (
        "import sys, pathlib\n"
        "from aiperf.config.loader import load_config\n"
        "for path in sys.argv[1:]: load_config(pathlib.Path(path))\n"
        "print(len(sys.argv) - 1)\n"
    )
    command = [str(python), "-c", code, *map(str, files)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={TOKEN_VARIABLE: "secret"}, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[-1] == str(len(files))
    assert len(files) > len(WORKLOADS)


def test_the_token_is_in_no_file(tmp_path: Path) -> None:
    (content, _) = configured("ladder", tmp_path)
    assert content["benchmark"]["endpoint"]["api_key"] == "${CDK_SGLANG_BENCH_TOKEN}"


def test_what_is_left_out_follows_from_load_and_slo() -> None:
    workload = resolved()
    assert [step.concurrency for step in workload.steps] == [1, 8]
    assert [step.requests for step in workload.steps] == [20, 80]
    assert [step.warmup_requests for step in workload.steps] == [1, 8]
    assert (workload.input_tokens, workload.output_tokens) == (1024, 256)
    assert workload.goodput == Goodput(ttft_ms=500)


def test_a_shared_prefix_is_part_of_the_prompt(tmp_path: Path) -> None:
    dataset = configured("prefix", tmp_path)[0]["benchmark"]["datasets"][0]
    assert dataset["prompts"]["isl"] == {"mean": 388, "stddev": 90}
    assert dataset["prefix_prompts"] == {"pool_size": 4, "length": 512}


def test_each_repeat_has_prompts_of_its_own(tmp_path: Path) -> None:
    workload = resolved(seed=5)
    seeds = [
        configuration(workload, workload.steps[0], ADDRESS, model="m", tokenizer="t", folder=tmp_path, repeat=repeat)[
            "benchmark"
        ]["datasets"][0]["random_seed"]
        for repeat in range(3)
    ]
    assert seeds == [5, 6, 7]


def test_the_content_of_a_workload_tells_comparable_runs() -> None:
    assert resolved(repeats=1).content_hash == resolved(repeats=5, max_usd=3).content_hash
    assert resolved(seed=1).content_hash != resolved(seed=2).content_hash


# --- datasets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "line", "text"),
    [
        ("single_turn", '{"text": "hello"', "is not JSON"),
        ("single_turn", '{"txt": "hello"}', "is not an object with text"),
        ("single_turn", '["hello"]', "is not an object with text"),
        ("multi_turn", '{"turns": []}', "is not an object with turns"),
        ("multi_turn", '{"turns": [{"text": ""}]}', "is not an object with turns"),
        ("mooncake_trace", '{"timestamp": 1, "input_length": true, "output_length": 4}', "is not an object with timestamp"),
        ("mooncake_trace", '{"timestamp": -1, "input_length": 4, "output_length": 4}', "is not an object with timestamp"),
    ],
)  # fmt: skip
def test_a_malformed_line_of_a_dataset_is_named(form: str, line: str, text: str) -> None:
    (problem,) = line_problems(["\n", line], form, name="own.jsonl")
    assert problem.startswith("own.jsonl:2: ")
    assert text in problem


def test_datasets_are_read_whole_before_the_first_request(tmp_path: Path) -> None:
    def fetch(**values: Any) -> Path:
        return fetch_dataset(Dataset(**values), folder=tmp_path, into=tmp_path, s3=lambda: None)

    (tmp_path / "own.jsonl").write_text('{"text": "a"}\n{"turns": 1}\nno\n')
    with pytest.raises(ConfigurationError) as error:
        fetch(file="own.jsonl")
    assert [problem.path for problem in error.value.problems] == ["own.jsonl:2", "own.jsonl:3"]
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(ConfigurationError, match="has no lines"):
        fetch(file="empty.jsonl")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        fetch(file="nothing.jsonl")
    (tmp_path / "fine.jsonl").write_text('{"text": "a"}\n')
    assert fetch(file="fine.jsonl") == tmp_path / "fine.jsonl"
    assert len(line_problems(["no"] * 100, "single_turn", name="x")) == 21


# --- choosing -----------------------------------------------------------------------------------------------------


def test_workload_and_component_are_chosen_by_name_or_because_there_is_one() -> None:
    other = dataclasses.replace(TARGET, path="chat/other")
    one = BenchEnvironment(name="prod", targets={"chat/qwen": TARGET}, workloads={})
    assert one.choose(workload=None, component=None)[1].name == "expected-load"
    two = BenchEnvironment(
        name="prod",
        targets={"chat/qwen": TARGET, "chat/other": other},
        workloads={"a": Workload(component="chat/other"), "b": Workload()},
    )
    assert two.choose(workload="a", component=None)[0] is other
    for workload, component, text in (
        (None, None, "--workload: missing; prod has several workloads: a, b"),
        ("c", None, "--workload: unknown workload 'c'"),
        ("b", None, "--component: missing; prod has several components"),
        ("b", "chat/qwn", "--component: unknown component 'chat/qwn'; did you mean 'chat/qwen'"),
    ):
        with pytest.raises(ConfigurationError, match=text):
            two.choose(workload=workload, component=component)
