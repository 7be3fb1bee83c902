"""A plan on narrow and wide terminals, the types that hold one model, and the program's version."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest
from rich.console import Console

from cdk_sglang.cli import entry
from cdk_sglang.cli.plan_tables import print_plan
from cdk_sglang.environments.planning import fleet_request
from cdk_sglang.planning import FleetPlan, plan_fleet


@pytest.fixture(scope="module")
def plan() -> FleetPlan:
    return plan_fleet(fleet_request("prod"))


def printed(plan: FleetPlan, width: int, *, wide: bool = False) -> list[str]:
    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=True, color_system=None, highlight=False)
    print_plan(plan, console, wide=wide)
    return screen.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140, 200])
def test_no_line_is_wider_than_the_terminal_and_no_cell_is_cut(plan: FleetPlan, width: int) -> None:
    lines = printed(plan, width)
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    assert "meta-llama/Llama-3.2-3B-Instruct" in " ".join(lines)


def test_a_narrow_terminal_gets_fewer_columns_and_is_told_of_the_rest(plan: FleetPlan) -> None:
    narrow, wide = printed(plan, 60), printed(plan, 60, wide=True)
    assert "component of" in narrow[1]
    assert "--wide prints every column" in narrow
    assert not any("--wide" in line for line in wide)
    for heading in ("endpoint", "model", "instance", "KV tokens", "$/1M in / out", "from zero"):
        assert heading in wide[1]


def run(words: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "argv", ["cdk-sglang", *words])
    with pytest.raises(SystemExit) as left:
        entry.main()
    return left.value.code


def test_a_model_without_a_type_is_planned_on_all_that_hold_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", "--model", "Qwen/Qwen3-32B", "--json"], monkeypatch) == 0
    found = json.loads(capsys.readouterr().out)
    prices = [one["usd_per_hour"] for one in found]
    assert len(found) > 5
    assert prices == sorted(prices)
    assert len({one["instance"] for one in found}) == len(found)
    assert "ml.g6e.2xlarge" not in {one["instance"] for one in found}  # 44 GiB for 61
    assert run(["plan", "--model", "Qwen/Qwen3-32B"], monkeypatch) == 0
    assert f"next: cdk-sglang plan --model Qwen/Qwen3-32B --instance {found[0]['instance']}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["plan", "--model", "a", "--env", "b"], 2, "plan: say what to plan: --env NAME, or --model ID; one of them"),
        (["plan"], 2, "plan: say what to plan: --env NAME, or --model ID; one of them"),
        (
            ["plan", "--env", "dev", "--instance", "ml.g5.xlarge"],
            2,
            "--instance: goes with --model; an environment's capacity names its instance types",
        ),
        (
            ["plan", "--model", "Qwen/Qwen3-8B", "--html", "x.html"],
            2,
            "--html: is the page of one plan; give --instance too, or --env",
        ),
        (
            ["plan", "--model", "Qwen/Qwen3-8B", "--instance", "ml.g6e.2xlarge", "--html", "/proc/x.html"],
            2,
            "/proc/x.html: cannot be written: No such file or directory; name another with --html",
        ),
        (
            ["plan", "--model", "deepseek-ai/DeepSeek-V3.2", "--tp-size", "1"],
            1,
            (
                "plan: no instance type of a known price in us-east-1 holds deepseek-ai/DeepSeek-V3.2 with tp_size 1; give a shorter "
                "--context-length, another --tp-size, or a quantized model"
            ),
        ),
    ],
)
def test_what_cannot_be_planned_is_one_line(
    words: list[str], code: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words, monkeypatch) == code
    assert capsys.readouterr().err == f"{line}\n"


def test_the_program_tells_its_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"], monkeypatch) == 0
    assert capsys.readouterr().out.startswith("cdk-sglang ")
