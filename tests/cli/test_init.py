"""`cdk-sglang init`: proposals, the file of one of them, and what it says of wishes that cannot be had."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from cdk_sglang.cli.init import command
from cdk_sglang.cli.main import app
from cdk_sglang.environments.planning import fleet_request
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.planning import plan_fleet

CHAT = ("--model", "Qwen/Qwen3-8B", "--users", "600")


def run(folder: Path, *words: str, env: str = "mine", answers: str | None = None) -> Result:
    named = ("--env", env) if env else ()
    return CliRunner().invoke(app, ["init", *named, "--environments", str(folder), *words], input=answers)


def problems(result: Result) -> list[str]:
    assert isinstance(result.exception, ConfigurationError), result.output
    return list(result.exception.problems)


PLAN = "arn:aws:sagemaker:us-east-1:123456789012:training-plan/peak"
COMMIT = "0cb88a4f764b7a12671c53f0838cd831a0843b95"


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


def test_adapters_a_copy_from_hugging_face_and_a_pool_are_written(tmp_path: Path) -> None:
    words = ("--adapters", "3", "--adapter-rank", "32", "--revision", COMMIT, "--token-secret", "hf-read", "--pool")
    output = run(tmp_path, *CHAT, *words).output
    content = yaml.safe_load((tmp_path / "mine.yaml").read_text())
    assert content["image"]["build"].keys() == {"unpinned"}
    endpoint = content["endpoints"]["chat"]
    component = endpoint["components"]["qwen"]
    assert component["model"] == {"hugging_face": "Qwen/Qwen3-8B", "revision": COMMIT, "token_secret": "hf-read"}
    assert component["server"]["lora"] == {
        "max_rank": 32,
        "target_modules": ["all"],
        "max_loras_per_batch": 4,
        "max_loaded_loras": 4,
    }
    first, *others = endpoint["capacity"]["pool"]
    assert 1 <= len(others) <= 2
    assert {GpuInstance.named(name).gpu.name for name in (first, *others)} == {GpuInstance.named(first).gpu.name}
    assert f"{endpoint['capacity']['max_instances']} x {first} (or {', '.join(others)})" in " ".join(output.split())


def test_an_instance_type_alone_that_nothing_stands_in_for_is_no_pool_and_a_warning_says_so(tmp_path: Path) -> None:
    words = ("--model", "Qwen/Qwen3-235B-A22B-FP8", "--users", "5", "--instance", "ml.p5en.48xlarge", "--pool")
    result = run(tmp_path, *words, "--budget", "75")
    assert result.exit_code == 0, result.exception
    assert "no other instance type carries what ml.p5en.48xlarge does" in result.output
    capacity = yaml.safe_load((tmp_path / "mine.yaml").read_text())["endpoints"]["chat"]["capacity"]
    assert capacity["type"] == "ml.p5en.48xlarge"


RESERVED = ("--training-plan", PLAN, "--instance", "ml.p5en.48xlarge", "--count", "1", "--until", "2027-03-01")


def test_a_training_plan_is_the_capacity_of_its_account_and_bounds_the_fleet(tmp_path: Path) -> None:
    result = run(tmp_path, *CHAT, *RESERVED)
    content = yaml.safe_load((tmp_path / "mine.yaml").read_text())
    assert content["account"] == "123456789012"
    assert content["endpoints"]["chat"]["capacity"] == {
        "reserved": {"training_plan": PLAN, "type": "ml.p5en.48xlarge", "count": 1, "until": dt.date(2027, 3, 1)}
    }
    assert "reserved capacity is paid up front" in result.output
    many = ("--model", "Qwen/Qwen3-8B", "--users", "60000")
    (problem,) = problems(run(tmp_path, *many, *RESERVED, env="other"))
    assert problem.startswith("--count: 1 are too few for the busiest hour, which takes ")
    assert not (tmp_path / "other.yaml").exists()


CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 4,
    "vocab_size": 1000,
    "max_position_embeddings": 8192,
    "torch_dtype": "bfloat16",
}


def test_a_model_outside_the_catalogue_is_read_from_its_file_and_kept_for_the_plan(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(CONFIG))
    result = run(tmp_path, "--model", "me/tiny", "--config", str(config), "--users", "5")
    assert result.exit_code == 0, result.exception
    saved = tmp_path / "models" / "me--tiny.json"
    assert f"saved {saved}: 0.0 billion parameters" in " ".join(result.output.split())
    assert plan_fleet(fleet_request("mine", folder=tmp_path)).problems == ()


def test_a_file_of_50_mb_and_one_that_is_no_config_are_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    large, other = tmp_path / "large.json", tmp_path / "other.json"
    with large.open("wb") as file:
        file.truncate(50_000_000)
    other.write_text("[]")
    for file, says in (
        (large, "has 50,000,000 bytes, and no config.json more than 4,000,000"),
        (other, "holds a list"),
    ):
        (problem,) = problems(run(tmp_path, "--model", "me/tiny", "--config", str(file), "--users", "5"))
        assert problem.startswith(str(file))
        assert says in problem
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(("answer", "is_fetched"), [("y", True), ("n", False)])
def test_at_a_terminal_an_unknown_model_is_fetched_if_the_answer_is_yes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, answer: str, is_fetched: bool
) -> None:
    monkeypatch.setattr(command, "has_terminal", lambda: True)
    options = (
        "--region",
        "us-east-1",
        "--ttft-ms",
        "0.1",
        "--tpot-ms",
        "1",
        "--budget",
        "1",
        "--input-tokens",
        "9",
        "--output-tokens",
        "9",
    )
    words = ("--model", "me/tiny", "--users", "5", "--no-to-zero", "--hub", "ftp://nowhere", *options)
    (problem,) = problems(run(tmp_path, *words, answers=f"{answer}\n"))
    fetched, left = "ftp://nowhere: the hub's address must start with https://", "--model: unknown model 'me/tiny'"
    assert problem.startswith(fetched if is_fetched else left)


def test_another_proposal_can_be_taken(tmp_path: Path) -> None:
    first = run(tmp_path, *CHAT, env="first")
    assert f"next: cdk-sglang plan --env {tmp_path / 'first.yaml'}" in first.output
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
    (near,) = problems(run(tmp_path, "--model", "Qwen/Qwen3-8BB", "--users", "5"))
    assert near.startswith("--model: unknown model 'Qwen/Qwen3-8BB'; did you mean 'Qwen/Qwen3-8B'")


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
        (("--hours", "7-19"), "--hours: '7-19' is not a period of the day; use for example 07:30-19:00"),
        (("--days", "mon"), "--days: says when --hours holds; give both"),
        (("--hours", "07:00-19:00", "--days", "workdays"), "--days: 'workdays' is not a list of days; use for example mon-fri, or sat"),
        (("--hours", "07:00-19:00", "--no-to-zero"), "--hours: copies go to zero outside the hours, which --no-to-zero forbids; leave one out"),
        (("--context-length", "100"), "--context-length: 100 is below a mean request of 1,280 tokens; give more"),
        (("--context-length", "900000"), "--context-length: 900,000 is beyond the model's own limit of 40,960; give less"),
        (("--choose", "3", "--budget", "8"), "--choose: 3 is not there; there are 2"),
        (("--hours", "07:00-19:00", "--time-zone", "Mars"), "endpoints.chat.components.qwen.scaling.time_zone: "),
        (("--region", "mars-north-1"), "region: "),
        (("--region", "eu-central-1", *RESERVED), "--training-plan: the plan is of us-east-1, the fleet of eu-central-1; give --region us-east-1"),
        (("--region", "eu-west-3", "--pool"), "--pool: eu-west-3 is not documented to have instance pools; "),
        (("--region", "ap-southeast-1", "--instance", "ml.g5.12xlarge"), "--instance: ml.g5.12xlarge is documented as not available in ap-southeast-1 "),
        (("--region", "eu-west-3", "--to-zero"), "endpoints.chat.components.qwen.scaling.min_copies: 0 copies would leave no instance"),
        (("--training-plan", PLAN), "--training-plan: comes with its instance type, count and last day; give --instance, --count, --until"),
        ((*RESERVED, "--pool"), "--pool: a training plan has one instance type; leave out --pool or --training-plan"),
        ((*RESERVED, "--budget", "9"), "--budget: a training plan is paid up front, whatever an hour costs; leave out --budget or --training-plan"),
        ((*RESERVED, "--count", "3"), "endpoints.chat.capacity.reserved.count: "),
        ((*RESERVED, "--until", "tomorrow"), "endpoints.chat.capacity.reserved.until: "),
        (("--count", "2"), "--count: is that of --training-plan; give both"),
        (("--instance", "ml.p5en.48xlarg"), "--instance: unknown GPU instance type 'ml.p5en.48xlarg'; did you mean"),
        (("--instance", "ml.g6.xlarge", "--context-length", "32768"), "--instance: Qwen/Qwen3-8B does not fit ml.g6.xlarge, or it has no price in us-east-1; nearest fit: "),
        (("--revision", "main"), "--revision: 'main' can move"),
        (("--token-secret", "hf"), "--token-secret: is for the copy from Hugging Face; give its --revision too"),
        (("--adapter-rank", "16"), "--adapter-rank: is that of --adapters; give both"),
        (("--adapters", "0"), "--adapters: 0 is out of range; use more than 0 to 1,000"),
        (("--ttft-ms", "1"), "--ttft-ms: no instance type is that fast; nearest is "),
        (("--budget", "0.5"), "--budget: 0.5 $/h is too little for the busiest hour; the cheapest is "),
    ],
)  # fmt: skip
def test_a_wrong_option_is_a_line_and_nothing_is_written(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    found = problems(run(tmp_path, *CHAT, *words))
    assert len(found) == 1, found
    assert found[0].startswith(says)
    assert list(tmp_path.iterdir()) == []


def test_at_a_terminal_the_rest_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "has_terminal", lambda: True)
    answers = "Qwen/Qwen3-8B\nasked\n120\n500\n\n0\n50\n0\neu-west-1\n-\ny\n7\n2\n"
    result = run(tmp_path, env="", answers=answers)
    assert result.exit_code == 0, result.exception
    assert yaml.safe_load((tmp_path / "asked.yaml").read_text())["region"] == "eu-west-1"
    component = yaml.safe_load((tmp_path / "asked.yaml").read_text())["endpoints"]["chat"]["components"]["qwen"]
    assert component["load"] == {"input_tokens": 500, "output_tokens": 256}
    assert component["scaling"]["min_copies"] == 0
    assert component["slo"]["tpot_ms"] == 50


def test_hours_that_are_asked_for_come_with_their_time_zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "has_terminal", lambda: True)
    known = (
        "--input-tokens",
        "500",
        "--output-tokens",
        "100",
        "--ttft-ms",
        "5000",
        "--tpot-ms",
        "90",
        "--budget",
        "60",
    )
    result = run(tmp_path, *CHAT, *known, "--choose", "1", answers="\n08:00-18:00\nAsia/Tokyo\n")
    assert result.exit_code == 0, result.exception
    content = yaml.safe_load((tmp_path / "mine.yaml").read_text())
    scaling = content["endpoints"]["chat"]["components"]["qwen"]["scaling"]
    assert (content["region"], scaling["time_zone"], scaling["min_copies"]) == ("us-east-1", "Asia/Tokyo", 0)
    assert scaling["schedules"]["hours"]["begins"] == "08:00"


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
