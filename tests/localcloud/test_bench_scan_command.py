"""`cdk-sglang bench scan` as a command on the embedded AWS: what it measures, keeps and prints, and what it says of wrong usage."""

from __future__ import annotations

import datetime as dt
import functools
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cdk_sglang import ConfigurationError
from cdk_sglang.benchmarking import runner
from cdk_sglang.benchmarking.history.store import History
from cdk_sglang.benchmarking.result import Measurement, Outcome
from cdk_sglang.cli.bench import scan_measure
from cdk_sglang.cli.main import app
from tests.localcloud.scans import AIPERF, TYPES, World, chosen


class Command:
    """The command, which measures one load of each type with a program in place of AIPerf."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "aiperf"
        self.program.write_text(AIPERF)
        self.program.chmod(0o755)

    def run(self, *words: str) -> Result:
        command = [
            "bench",
            "scan",
            "--model",
            "Qwen/Qwen3-8B",
            "--types",
            ",".join(TYPES),
            "--weights",
            "s3://models/qwen/",
        ]
        command += ["--budget", "10", "--tokenizer", "builtin", "--api", "streaming"]
        command += ["--aiperf", str(self.program), "--history", str(self.folder / "kept")]
        return CliRunner().invoke(app, [*command, *words])

    def kept(self) -> list[Measurement]:
        found, notes = History(location=str(self.folder / "kept"), s3=lambda: None).read(environment="scan")
        assert notes == []
        return found


@pytest.fixture
def world(driven: Any) -> World:
    return World(driven)


@pytest.fixture
def command(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(scan_measure, "scan_stacks", lambda _: world.stacks)
    monkeypatch.setattr(scan_measure, "seconds_until_answer", lambda *_, **__: 1.5)
    monkeypatch.setattr(scan_measure, "levels", lambda _: (4,))
    return Command(tmp_path)


def test_the_command_measures_with_aiperf_keeps_the_results_and_prints_the_table(
    world: World, command: Command
) -> None:
    left = chosen()[0]
    world.stacks.create(left.endpoint, scan="killed", deadline=world.clock.utc() - dt.timedelta(hours=1))
    world.clock.advance(3600, step_s=15)
    unasked = command.run()
    assert isinstance(unasked.exception, ConfigurationError)
    assert "--yes: missing; there is no terminal to ask in: make 2 endpoints one after the other (" in str(
        unasked.exception
    )
    assert world.names() == [left.endpoint.stack_name]
    done = command.run("--yes")
    assert done.exit_code == 0, done.output
    assert world.names() == world.endpoints() == []
    assert any("left over from scan killed" in line for line in world.lines)
    assert "Qwen/Qwen3-8B measured, scan" in done.output
    kept = command.kept()
    assert {one.deployed.instance for one in kept} == set(TYPES)
    assert {one.figures.requests for one in kept} == {12}
    assert all(one.planned is not None and one.wake_seconds == 1.5 for one in kept)


def test_ctrl_c_while_a_type_is_measured_keeps_and_marks_what_there_is_and_deletes_the_endpoint(
    world: World, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted: list[Path] = []

    def elapsed() -> float:
        """The clock that is looked at while AIPerf runs: Ctrl-C once the second repeat sends."""
        sending = list(command.folder.glob(".bench/runs/*/*-repeat-1/sending"))
        if sending and not interrupted:
            interrupted.extend(sending)
            signal.raise_signal(signal.SIGINT)
        return time.monotonic()

    monkeypatch.setattr(runner, "Setup", functools.partial(runner.Setup, elapsed=elapsed))
    done = command.run("--yes", "--repeats", "2")
    assert done.exit_code == 1, done.output
    assert len(interrupted) == 1
    assert world.names() == world.endpoints() == []
    assert "not begun: the scan was interrupted" in done.output
    assert [(one.repeat, one.figures.requests, one.is_partial) for one in command.kept()] == [
        (0, 12, False),
        (1, 12, True),
    ]
    assert {one.outcome for one in command.kept()} == {Outcome.INTERRUPTED}
    assert len({one.deployed.instance for one in command.kept()}) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--budget", "5"], "--weights: missing; give the place of the model's files"),
        (["--weights", "s3://models/qwen/"], "--budget: missing; say how many dollars the scan may cost"),
        (["--weights", "models/qwen", "--budget", "5"], "--weights: 'models/qwen' is no place in S3"),
        (["--weights", "s3://models/qwen/", "--budget", "5", "--api", "grpc"], "--api: 'grpc' is not allowed"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_made(words: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["bench", "scan", "--model", "Qwen/Qwen3-8B", "--types", TYPES[0], *words])
    assert isinstance(done.exception, ConfigurationError)
    assert message in str(done.exception)
