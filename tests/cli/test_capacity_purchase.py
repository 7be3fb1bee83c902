"""Buying a plan at a real terminal: only the price, typed back exactly, buys."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from cdk_sglang.cli import capacity
from tests.localcloud.helpers import ROOT
from tests.support.reservations import bought

Talk = Callable[..., tuple[int, str]]
PROGRAM = """
import fcntl, signal, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that ctrl-C is a signal, as at a terminal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs the tests in the background has it ignored, and children inherit that
from cdk_sglang.cli.main import main
main()
"""
PRICE = re.compile(r"Type the price to buy it \(([0-9.]+)\), anything else to stop: ")


@pytest.fixture
def talk(cloud: Any, tmp_path: Path) -> Talk:
    """Run `cdk-sglang capacity reserve` at a pseudo terminal; answer each question as given; return exit code and screen."""

    def run(*answers: str, more: tuple[str, ...] = ()) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT / "constructs"),
            "COLUMNS": "200",
            "TERM": "dumb",
            "AWS_ENDPOINT_URL": cloud.url,
            **cloud.credentials.environment,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        command = [sys.executable, "-c", PROGRAM, "capacity", "reserve"]
        command += ["--type", "ml.p5en.48xlarge", "--name", "peak", *more]
        process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        )
        os.close(theirs)
        screen, waiting, question_count = "", list(answers), 0
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    data = os.read(ours, 4096)
                except OSError:  # the other end is closed
                    break
                if not data:
                    break
                screen += data.decode(errors="replace")
            elif process.poll() is not None:
                break
            questions = len(re.findall(r"to stop: |Which one, 1 to \d+\? ", screen))
            if questions > question_count and waiting:
                question_count = questions
                price = PRICE.search(screen)
                os.write(ours, waiting.pop(0).format(price=price[1] if price else "").encode())
        os.close(ours)
        if process.poll() is None and time.monotonic() >= deadline:
            process.kill()
        code = process.wait(timeout=10)
        return code, screen.replace("\r\n", "\n")

    return run


@pytest.fixture
def plans(client: Any) -> Callable[[], list[str]]:
    sagemaker = client("sagemaker")
    return lambda: [plan["TrainingPlanName"] for plan in sagemaker.list_training_plans()["TrainingPlanSummaries"]]


def test_the_price_typed_back_buys_the_plan_and_says_what_to_write_down(talk: Talk, plans: Any) -> None:
    code, screen = talk("1\n", "{price}\n")
    assert code == 0, screen
    assert "paid up front, final, neither resizable nor refundable" in screen
    arn = "arn:aws:sagemaker:us-east-1:123456789012:training-plan/peak"
    assert f"bought: {arn}" in screen
    assert re.search(
        rf"capacity: {{reserved: {{training_plan: {arn}, type: ml.p5en.48xlarge, count: 1, until: \d{{4}}-\d\d-\d\d}}}}",
        screen,
    )
    assert plans() == ["peak"]

    code, screen = talk("1\n", "{price}\n")
    assert code == 1
    assert "there is a plan named peak already; choose another --name. Nothing was bought" in screen


@pytest.mark.parametrize("answer", ["yes\n", "{price}0\n", "\x04", "\x03"])
def test_anything_else_buys_nothing(talk: Talk, plans: Any, answer: str) -> None:
    code, screen = talk("1\n", answer)
    assert code == 1, screen
    assert "nothing was bought" in screen
    assert "Traceback" not in screen
    assert plans() == []


def test_a_quota_that_is_used_up_says_where_it_is_raised(talk: Talk, plans: Any, client: Any) -> None:
    for number in range(25):
        bought(client("sagemaker"), name=f"plan-{number}", hours=24)
    code, screen = talk("1\n", "{price}\n")
    assert code == 1
    assert "servicequotas/home/services/sagemaker/quotas" in screen
    assert "peak" not in plans()


def test_an_offering_that_is_gone_buys_nothing(talk: Talk, plans: Any) -> None:
    code, screen = talk(more=("--offering", "tpo-gone"))
    assert code == 1
    assert "tpo-gone is not, or no longer, offered" in screen
    assert plans() == []


def test_ctrl_c_that_comes_while_the_question_is_written_buys_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Screen(io.StringIO):
        def write(self, text: str) -> int:
            if "to stop:" in text:
                raise KeyboardInterrupt  # the reader was quicker than the next line of Python
            return super().write(text)

    monkeypatch.setattr("sys.stdout", Screen())
    with pytest.raises(typer.Exit) as stopped:
        capacity._ask("Type the price to buy it (1.00), anything else to stop: ")
    assert stopped.value.exit_code == 1
    assert "stopped; nothing was bought" in capsys.readouterr().err
