"""Wishes of many kinds: each becomes an environment that is planned as it was proposed, and synthesises as it is written."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path

import aws_cdk as cdk
import pytest
from typer.testing import CliRunner

from cdk_sglang.cli.main import app
from cdk_sglang.environments.planning import fleet_request
from cdk_sglang.environments.reading import cdk_json_context, load
from cdk_sglang.planning import plan_fleet
from stacks.fleet import add_fleet
from tests.localcloud.helpers import ROOT

PLAN = "arn:aws:sagemaker:us-east-1:123456789012:training-plan/peak"
COMMIT = "0cb88a4f764b7a12671c53f0838cd831a0843b95"
WISHES = {
    "small chat on a budget": "--model meta-llama/Llama-3.2-3B-Instruct --users 20 --budget 2",
    "70B for 200 users": "--model meta-llama/Llama-3.3-70B-Instruct --users 200 --ttft-ms 2000 --tpot-ms 50",
    "235B reasoning": "--model Qwen/Qwen3-235B-A22B-FP8 --requests-per-second 1 --output-tokens 2000",
    "MoE coder": "--model Qwen/Qwen3-Coder-30B-A3B-Instruct --users 60 --input-tokens 8000",
    "vision": "--model Qwen/Qwen3-VL-32B-Instruct --users 60",
    "many adapters": "--model meta-llama/Llama-3.1-8B-Instruct --users 120 --adapters 40 --adapter-rank 32",
    "spiky traffic to zero": "--model openai/gpt-oss-20b --requests-per-second 0.02 --to-zero",
    "EU Region": "--model Qwen/Qwen3-8B --users 600 --region eu-central-1",
    "reserved": f"--model deepseek-ai/DeepSeek-R1 --users 30 --instance ml.p5en.48xlarge --training-plan {PLAN} --count 2 --until 2027-03-01",
    "office hours": "--model openai/gpt-oss-120b --users 100 --hours 07:30-19:00 --time-zone Europe/Berlin",
    "many users, and whatever there is": "--model mistralai/Mistral-7B-Instruct-v0.3 --users 6000 --pool",
    "gated, from Hugging Face": f"--model google/gemma-3-27b-it --users 60 --revision {COMMIT} --token-secret hf-read",
    "nights of a weekend": "--model Qwen/Qwen3-8B --users 600 --hours 22:00-06:00 --days fri-sun",
    "short answers, many a second": "--model Qwen/Qwen3-0.6B --requests-per-second 100 --input-tokens 100 --output-tokens 20",
}  # fmt: skip

_SYNTHESISED = 12
"""The others differ from one of these in their hours or sizes alone."""


@pytest.fixture(scope="module")
def environment_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[str, Path]]:
    """Return the environment of a wish, which is written once, as its name and folder."""
    folder = tmp_path_factory.mktemp("wishes")

    @functools.cache
    def write(wish: str) -> tuple[str, Path]:
        name = f"wish-{list(WISHES).index(wish)}"
        words = ["init", "--env", name, "--environments", str(folder), *WISHES[wish].split()]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.exception
        return name, folder

    return write


@pytest.mark.parametrize("wish", list(WISHES))
def test_the_environment_of_a_wish_is_planned_as_it_was_proposed(
    environment_of: Callable[[str], tuple[str, Path]], wish: str
) -> None:
    name, folder = environment_of(wish)
    plan = plan_fleet(fleet_request(name, folder=folder))
    assert plan.problems == ()
    (endpoint,) = plan.endpoints
    text = (folder / f"{name}.yaml").read_text()
    proposed = re.search(r"# (\d+) x ([\d.,]+) \$/h in the busiest hour", text)
    assert plan.usd_per_hour is not None
    if proposed is None:  # paid up front
        assert "reserved: {training_plan" in text
        return
    instances, price = int(proposed[1]), float(proposed[2])
    assert (endpoint.instances.high, len(endpoint.components)) == (instances, 1)
    if "pool: [" in text:  # the most expensive type may be what there is
        assert instances * price < plan.usd_per_hour.high <= 2 * instances * price
    else:
        assert plan.usd_per_hour.high == pytest.approx(instances * price, abs=0.01 * instances)


def test_each_of_twelve_wishes_becomes_an_environment_that_synthesises_as_it_is_written(
    environment_of: Callable[[str], tuple[str, Path]],
) -> None:
    root = cdk.App(context=cdk_json_context(ROOT / "cdk.json"))
    names = []
    for name, folder in map(environment_of, list(WISHES)[:_SYNTHESISED]):
        settings = load(name, folder=folder)
        env = cdk.Environment(account=settings.account, region=settings.region)
        add_fleet(cdk.Stage(root, name), name=name, settings=settings, source=name, env=env)
        names.append(name)
    assembly = root.synth()
    for name in names:
        stage = assembly.get_nested_assembly(f"assembly-{name}")
        (stack,) = (one for one in stage.stacks if one.stack_name == f"cdk-sglang-{name}-chat")
        kinds = [one["Type"] for one in stack.template["Resources"].values()]
        assert kinds.count("AWS::SageMaker::InferenceComponent") == 1
