"""`cdk-sglang init`: proposals, the file of one of them, and what it says of wishes that cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from cdk_sglang.cli.init import command
from cdk_sglang.cli.main import app
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.planning import plan_fleet
from stacks.planning import fleet_request

CHAT = ("--model", "Qwen/Qwen3-8B", "--users", "600")


def run(folder: Path, *words: str, env: str = "mine", answers: str | None = None) -> Result:
    named = ("--env", env) if env else ()
    return CliRunner().invoke(app, ["init", *named, "--environments", str(folder), *words], input=answers)


def problems(result: Result) -> list[str]:
    assert isinstance(result.exception, ConfigurationError), result.output
    return list(result.exception.problems)


@pytest.mark.parametrize(
    "wish",
    [
        ("--model", "meta-llama/Llama-3.2-3B-Instruct", "--users", "20", "--budget", "2"),
        ("--model", "meta-llama/Llama-3.3-70B-Instruct", "--users", "200", "--ttft-ms", "2000", "--tpot-ms", "50"),
        ("--model", "Qwen/Qwen3-235B-A22B-FP8", "--requests-per-second", "1", "--output-tokens", "2000"),
        ("--model", "openai/gpt-oss-20b", "--requests-per-second", "0.02", "--to-zero"),
        ("--model", "openai/gpt-oss-120b", "--users", "100", "--hours", "07:30-19:00", "--time-zone", "Europe/Berlin"),
        ("--model", "Qwen/Qwen3-Coder-30B-A3B-Instruct", "--users", "60", "--input-tokens", "8000"),
        ("--model", "Qwen/Qwen3-VL-32B-Instruct", "--users", "60"),
        (*CHAT, "--region", "eu-central-1"),
        (*CHAT, "--context-length", "32768"),
        (*CHAT, "--hours", "22:00-06:00", "--days", "fri-sun"),
        ("--model", "mistralai/Mistral-7B-Instruct-v0.3", "--users", "6000"),
        (
            "--model",
            "Qwen/Qwen3-0.6B",
            "--requests-per-second",
            "100",
            "--input-tokens",
            "100",
            "--output-tokens",
            "20",
        ),
    ],
    ids=lambda wish: " ".join(wish[1:]),
)
def test_the_environment_of_a_wish_is_planned_without_a_problem(tmp_path: Path, wish: tuple[str, ...]) -> None:
    result = run(tmp_path, *wish)
    assert result.exit_code == 0, result.exception
    plan = plan_fleet(fleet_request("mine", folder=tmp_path))
    assert plan.problems == ()
    (endpoint,) = plan.endpoints
    content = yaml.safe_load((tmp_path / "mine.yaml").read_text())
    assert content["endpoints"]["chat"]["capacity"]["max_instances"] == endpoint.instances.high


def test_the_file_holds_what_was_asked(tmp_path: Path) -> None:
    wish = ("--ttft-ms", "900", "--tpot-ms", "40", "--budget", "60", "--hours", "08:00-18:00", "--days", "sat-mon")
    run(tmp_path, *CHAT, *wish, "--region", "eu-west-1", "--endpoint", "talk")
    content = yaml.safe_load((tmp_path / "mine.yaml").read_text())
    assert (content["region"], content["budget_usd_per_hour"]) == ("eu-west-1", 60)
    component = content["endpoints"]["talk"]["components"]["qwen"]
    assert component["model"] == {"id": "Qwen/Qwen3-8B", "prefix": "weights/Qwen/Qwen3-8B/"}
    assert component["load"] == {"input_tokens": 1024, "output_tokens": 256}
    assert (component["slo"]["ttft_ms"], component["slo"]["tpot_ms"]) == (900, 40)
    window = component["scaling"]["schedules"]["hours"]
    assert window == {"days": ["sat", "sun", "mon"], "begins": "08:00", "ends": "18:00", "min_copies": 1}
    assert component["scaling"]["min_copies"] == 0


def test_another_proposal_can_be_taken(tmp_path: Path) -> None:
    first = run(tmp_path, *CHAT, env="first")
    assert "next: cdk-sglang plan --env first" in first.output
    run(tmp_path, *CHAT, "--choose", "2", env="second")
    types = [
        yaml.safe_load((tmp_path / f"{name}.yaml").read_text())["endpoints"]["chat"]["capacity"]["type"]
        for name in ("first", "second")
    ]
    assert types[0] != types[1]


def test_an_unknown_model_comes_with_how_to_add_it(tmp_path: Path) -> None:
    (problem,) = problems(run(tmp_path, "--model", "me/my-model", "--users", "5"))
    assert problem.startswith("--model: unknown model 'me/my-model'")
    assert "cdk-sglang models add me/my-model" in problem


def test_a_file_that_exists_stays_unless_told(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("region: us-east-1\n")
    (problem,) = problems(run(tmp_path, *CHAT))
    assert problem == f"--env: {file} exists; name another, or give --force to overwrite it"
    assert file.read_text() == "region: us-east-1\n"
    assert run(tmp_path, *CHAT, "--force").exit_code == 0
    assert "Qwen" in file.read_text()


def test_without_a_terminal_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    assert problems(run(tmp_path, "--input-tokens", "-1", env="")) == [
        "--env: is missing, and there is no terminal to ask at; give it",
        "--model: is missing, and there is no terminal to ask at; give it",
        "--users: is missing, and there is no terminal to ask at; give it, or --requests-per-second",
        "--input-tokens: -1 is out of range; use more than 0 to 10,000,000",
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--requests-per-second", "1"), "--users: and --requests-per-second say the same; give one of them"),
        (("--hours", "7-19"), "--hours: '7-19' is no stretch of a day; use for example 07:30-19:00"),
        (("--days", "mon"), "--days: says when --hours holds; give both"),
        (("--hours", "07:00-19:00", "--days", "workdays"), "--days: 'workdays' are no days; use for example mon-fri, or sat"),
        (("--hours", "07:00-19:00", "--no-to-zero"), "--hours: copies go to zero outside the hours, which --no-to-zero forbids; leave one out"),
        (("--context-length", "100"), "--context-length: 100 is below a mean request of 1,280 tokens; give more"),
        (("--context-length", "900000"), "--context-length: 900,000 is beyond the model's own limit of 40,960; give less"),
        (("--choose", "3", "--budget", "8"), "--choose: 3 is not there; there are 2"),
        (("--hours", "07:00-19:00", "--time-zone", "Mars"), "endpoints.chat.components.qwen.scaling.time_zone: "),
        (("--region", "mars-north-1"), "region: "),
    ],
)  # fmt: skip
def test_a_wrong_option_is_a_line_and_nothing_is_written(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    found = problems(run(tmp_path, *CHAT, *words))
    assert len(found) == 1, found
    assert found[0].startswith(says)
    assert list(tmp_path.iterdir()) == []


def test_at_a_terminal_the_rest_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "has_terminal", lambda: True)
    answers = "Qwen/Qwen3-8B\nasked\n120\n500\n\n0\n50\n0\ny\n7\n2\n"
    result = run(tmp_path, env="", answers=answers)
    assert result.exit_code == 0, result.exception
    component = yaml.safe_load((tmp_path / "asked.yaml").read_text())["endpoints"]["chat"]["components"]["qwen"]
    assert component["load"] == {"input_tokens": 500, "output_tokens": 256}
    assert component["scaling"]["min_copies"] == 0
    assert component["slo"]["tpot_ms"] == 50


def test_the_users_own_prices_decide(tmp_path: Path) -> None:
    """A type that costs next to nothing comes first."""
    row = {"instance": "ml.g6e.2xlarge", "region": "us-east-1", "usd_per_hour": "0.01", "date": "2026-11-01"}
    row |= {"kind": "on-demand hosting", "is_estimate": "no", "source": "mine"}
    (tmp_path / "prices.csv").write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
    run(tmp_path, *CHAT)
    content = yaml.safe_load((tmp_path / "mine.yaml").read_text())
    assert content["endpoints"]["chat"]["capacity"]["type"] == "ml.g6e.2xlarge"


def test_a_narrow_terminal_gets_lines_instead_of_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "stdout", lambda: Console(width=60, highlight=False))
    output = run(tmp_path, *CHAT).output
    assert "1: 3 x ml.g6e.xlarge\n   a copy takes: 1 x L40S-48GB\n   copies: 3\n" in output
