"""`cdk-sglang bench run` against a component of the embedded AWS: a component that sleeps, a clock that is wrong, and a run that is interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import Result
from typer.testing import CliRunner

from cdk_sglang.benchmarking.history.store import History
from cdk_sglang.benchmarking.result import Measurement, Outcome
from cdk_sglang.cli.aws import reason_of
from cdk_sglang.cli.bench.waking import NoAnswerError
from cdk_sglang.cli.main import app
from cdk_sglang.client.wait import SystemClock
from localcloud.aws.server import LocalCloud
from localcloud.local import aws_environment
from tests.localcloud.helpers import ROOT, any_component, any_endpoint, eventually, in_service

ENDPOINT, COMPONENT = "test-chat", "test-chat-qwen"
RECORDS = ROOT / "tests" / "benchmarking" / "data" / "good" / "profile_export.jsonl"
REFUSED = ROOT / "tests" / "benchmarking" / "data" / "refused" / "profile_export.jsonl"
PROGRAM = f"""#!{sys.executable}
# Leaves the records of a real run of AIPerf: with two requests in flight when it is interrupted, as AIPerf does; with three those of a
# run that was refused, once the endpoint is gone; with four those beside the program, in which some requests have failed.
import json, pathlib, shutil, signal, sys, time
if sys.argv[1] == "--version":
    sys.exit(print("aiperf 0.13.0"))
content = json.loads(pathlib.Path(sys.argv[3]).read_text())["benchmark"]
folder = pathlib.Path(content["artifacts"]["dir"])
def end(*_):
    shutil.copy({str(RECORDS)!r}, folder)
    sys.exit(0)
signal.signal(signal.SIGINT, end)
concurrency = content["phases"][-1].get("concurrency")
if concurrency in (2, 3):
    (folder / "sending").touch()
    while concurrency == 2 or not (folder / "gone").exists():
        time.sleep(0.05)
    shutil.copy({str(REFUSED)!r}, folder)
    sys.exit(1)
if concurrency == 4:
    shutil.copy(pathlib.Path(sys.argv[0]).with_name("failing.jsonl"), folder / "profile_export.jsonl")
    sys.exit(0)
end()
"""


class Bench:
    """The command, with an environment of one component."""

    def __init__(self, cloud: LocalCloud, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "aiperf"
        self.program.write_text(PROGRAM)
        self.program.chmod(0o755)
        self.environment = aws_environment(cloud.url, cloud.credentials) | {"COLUMNS": "200"}
        content = {
            "region": "us-east-1",
            "network": {"vpc": "none"},
            "endpoints": {
                "chat": {
                    "capacity": {"type": "ml.g6e.12xlarge", "max_instances": 1},
                    "components": {
                        "qwen": {
                            "model": {"id": "Qwen/Qwen3-8B", "prefix": "weights/qwen/"},
                            "server": {"context_length": 4096, "tp_size": 2},
                        }
                    },
                }
            },
            "bench": {
                "one": {"concurrency": [1], "requests": 12, "repeats": 1},
                "gone": {"concurrency": [1, 3], "requests": 12, "repeats": 2},
                "errors": {"concurrency": [1, 4], "requests": 12, "repeats": 2},
                "two": {"concurrency": [1, 2], "requests": 12, "repeats": 2},
            },
        }
        (folder / "test.yaml").write_text(json.dumps(content), encoding="utf-8")

    def words(self, workload: str) -> list[str]:
        place = ["--environments", str(self.folder), "--history", str(self.folder / "history")]
        return [
            "bench", "run", "--env", "test", "--workload", workload, "--aiperf", str(self.program), "--tokenizer", "builtin", *place,
        ]  # fmt: skip

    def run(self, workload: str, *more: str) -> Result:
        return CliRunner().invoke(app, [*self.words(workload), *more], env=self.environment)

    def kept(self) -> list[Measurement]:
        found, notes = History(location=str(self.folder / "history"), s3=lambda: None).read(environment="test")
        assert notes == []
        return found


@pytest.fixture
def bench(cloud: LocalCloud, client: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    sagemaker = client("sagemaker")
    any_endpoint(sagemaker, ENDPOINT)
    eventually(lambda: sagemaker.describe_endpoint(EndpointName=ENDPOINT)["EndpointStatus"] == "InService")
    any_component(sagemaker, COMPONENT, endpoint=ENDPOINT)
    in_service(sagemaker, COMPONENT)
    monkeypatch.setattr("cdk_sglang.cli.bench.run.FOLDER", tmp_path / "runs")
    return Bench(cloud, tmp_path)


def test_a_component_that_sleeps_is_woken_and_no_figure_counts_it(
    bench: Bench, client: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sagemaker = client("sagemaker")
    copies: list[int] = []

    def scale(count: int) -> None:
        runtime_config = {"CopyCount": count}
        sagemaker.update_inference_component_runtime_config(
            InferenceComponentName=COMPONENT, DesiredRuntimeConfig=runtime_config
        )
        in_service(sagemaker, COMPONENT)
        copies.append(count)

    def sleep(*_: object) -> None:
        """What the question of a user who waits leads to: scaling adds a copy."""
        assert not list((bench.folder / "runs").glob("*/*/profile_export.jsonl"))  # nothing is measured meanwhile
        if copies[-1] == 0:
            scale(1)

    scale(0)
    monkeypatch.setattr(SystemClock, "sleep", sleep)
    done = bench.run("one")
    assert done.exit_code == 0, done.output
    assert copies == [0, 1]
    (one,) = bench.kept()
    assert one.wake_seconds > 0
    assert one.deployed.copies == 1
    assert f"woken in {one.wake_seconds:.1f} s, which no figure counts" in " ".join(done.output.split())
    records = [json.loads(line) for line in RECORDS.read_text().splitlines()]
    counted = [one["metadata"] for one in records if one["metadata"]["benchmark_phase"] == "profiling"]
    seconds = max(one["request_end_ns"] for one in counted) - min(one["request_start_ns"] for one in counted)
    assert one.figures.seconds == pytest.approx(seconds / 1e9)


def disturbed(bench: Bench, workload: str, disturb: Callable[[subprocess.Popen[str], Path], object]) -> str:
    """Disturb a run while its second step sends; return what it said, with which it ends as failed.

    It is a process of its own, as in a terminal: Ctrl-C reaches the command, and the command ends AIPerf.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "cdk_sglang.cli.entry", *bench.words(workload)],
        env={**os.environ, **bench.environment},
        cwd=bench.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        found = eventually(
            lambda: list(bench.folder.glob(".bench/runs/*/*/sending")) or process.poll() is not None, within_s=240
        )
        assert process.poll() is None, process.communicate()
        disturb(process, found[0].parent)
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    return output


def test_ctrl_c_keeps_and_marks_what_was_measured(bench: Bench) -> None:
    output = disturbed(bench, "two", lambda process, _: process.send_signal(signal.SIGINT))
    assert "bench: interrupted: interrupted; what was measured until then is kept and marked as partial" in output
    assert [(one.concurrency, one.is_partial, one.figures.requests) for one in bench.kept()] == [
        (1, False, 12),
        (2, True, 12),
    ]
    assert {one.outcome for one in bench.kept()} == {Outcome.INTERRUPTED}


def test_an_endpoint_that_ends_during_a_run_is_named_and_what_was_measured_is_kept(
    bench: Bench, client: Callable[[str], Any]
) -> None:
    sagemaker = client("sagemaker")

    def delete(_: object, folder: Path) -> None:
        sagemaker.delete_inference_component(InferenceComponentName=COMPONENT)
        eventually(lambda: not sagemaker.list_inference_components()["InferenceComponents"])
        (folder / "gone").touch()

    output = disturbed(bench, "gone", delete)
    assert f"bench: endpoint-ended: {COMPONENT} does not exist any more: 6 of 6 requests failed" in output
    kept = [(one.concurrency, one.figures.requests, one.figures.failed, one.outcome) for one in bench.kept()]
    assert kept == [(1, 12, 0, Outcome.ENDPOINT_ENDED), (3, 0, 6, Outcome.ENDPOINT_ENDED)]


def test_a_run_with_too_many_errors_is_told_in_one_line_marked_and_no_success(bench: Bench) -> None:
    lines = RECORDS.read_text().splitlines()
    error = {"code": 424, "type": "Failed Dependency", "message": '{"ErrorCode": "ModelError", "message": "a prompt"}'}
    failed = [json.dumps({**json.loads(line), "metrics": {}, "error": error}) for line in lines[-6:]]
    (bench.folder / "failing.jsonl").write_text("\n".join([*lines[:-6], *failed]))
    done = bench.run("errors")
    assert done.exit_code == 1
    (line,) = [line for line in done.output.splitlines() if line.startswith("bench: ")]
    assert line.startswith(
        "bench: too-many-errors: 6 of 12 requests failed at 4 in flight (50.0%; max_error_rate is 10.0%): 6 x 424 ModelError; "
    )
    assert "a prompt" not in done.output
    assert "4 in flight (failing)" in done.output
    assert [(one.repeat, one.concurrency, one.figures.failed) for one in bench.kept()] == [
        (0, 1, 0),
        (0, 4, 6),
        (1, 1, 0),
    ]
    assert {one.outcome for one in bench.kept()} == {Outcome.TOO_MANY_ERRORS}
    assert {(one.copies_min, one.copies_max) for one in bench.kept()} == {(1, 1)}
    assert bench.run("errors", "--max-error-rate", "0.5").exit_code == 0


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyboardInterrupt(), "bench: interrupted before the first request; nothing was measured"),
        (NoAnswerError(f"{COMPONENT} does not answer, so nothing was measured: no copy"), f"bench: {COMPONENT} does not answer"),
    ],
)  # fmt: skip
def test_a_run_that_ends_while_the_component_is_woken_keeps_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: BaseException, message: str
) -> None:
    def fail(*_: object, **__: object) -> float:
        raise error

    monkeypatch.setattr("cdk_sglang.cli.bench.run.seconds_until_answer", fail)
    done = bench.run("one")
    assert done.exit_code == 1
    assert message in done.output
    assert bench.kept() == []


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("InvalidSignatureException", "Signature expired: 20261201T1000Z is now earlier than 20261201T1055Z"),
        ("InvalidSignatureException", "Signature not yet current: 20261201T1200Z is still later than 20261201T1105Z"),
        ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
    ],
)
def test_a_clock_that_differs_from_that_of_aws_is_named(code: str, message: str) -> None:
    error = ClientError({"Error": {"Code": code, "Message": message}}, "DescribeEndpoint")
    reason = reason_of("sagemaker:DescribeEndpoint", error)
    assert reason.code == 1
    assert "the clock of this machine differs too much from that of AWS" in reason.text
    assert "set it, for example with `timedatectl set-ntp true`" in reason.text
    other = ClientError({"Error": {"Code": "InvalidSignatureException", "Message": "The signature is wrong"}}, "A")
    assert "clock" not in reason_of("a", other).text
