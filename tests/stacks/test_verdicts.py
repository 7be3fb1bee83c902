"""`plan` and `synth` say the same of every environment: the same exit code, and the same lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools.fuzz.verdicts import Comparison, compare, drawn, planned

EXAMPLES = 12  # `python -m tools.fuzz.verdicts` draws 500
OLD_IMAGE = {"name": "sglang", "sglang_version": "0.5.17", "digest": f"sha256:{'0' * 64}", "cuda": "12.4"}
LLAMA = {"id": "meta-llama/Llama-3.2-3B-Instruct", "prefix": "weights/llama/"}


def environment(**changes: Any) -> dict[str, Any]:
    component = {"model": LLAMA, "server": {"context_length": 8192}, **changes.pop("component", {})}
    endpoint = {
        "capacity": {"type": changes.pop("capacity", "ml.g6e.12xlarge"), "max_instances": 2},
        "components": {"llama": component},
    }
    endpoint |= {"rollout": changes.pop("rollout")} if "rollout" in changes else {}
    name = changes.pop("endpoint", "chat")
    return {"region": "us-east-1", "network": {"vpc": "none"}, "endpoints": {name: endpoint}, **changes}


CASES = {
    "has a type that the Region lacks": (2, environment(region="ap-southeast-1", capacity="ml.g5.12xlarge")),
    "has an image whose CUDA is older than the GPU": (
        2,
        environment(capacity="ml.p6-b200.48xlarge", image={"repository": OLD_IMAGE}),
    ),
    "has an image whose CUDA knows no L40S": (
        2,
        environment(capacity="ml.g6e.12xlarge", image={"repository": {**OLD_IMAGE, "cuda": "11.4"}}),
    ),
    "moves a part of one instance": (2, environment(rollout={"strategy": "canary", "percent": 50})),
    "fits": (0, environment()),
    "costs too much": (1, environment(budget_usd_per_hour=1)),
    "is too slow": (1, environment(component={"slo": {"tpot_ms": 1, "at_concurrency": 16}})),
    "reads more than the model": (1, environment(component={"server": {"context_length": 4_000_000}})),
    "does not divide": (1, environment(component={"server": {"context_length": 8192, "tp_size": 3}})),
    "is too large": (
        1,
        environment(
            component={"model": {"id": "Qwen/Qwen3-32B", "prefix": "weights/q/"}, "server": {"context_length": 8192}}
        ),
    ),
    "has a wrong option, and costs too much": (
        2,
        environment(
            budget_usd_per_hour=1, component={"server": {"context_length": 8192, "extra": {"sleep_on_idel": True}}}
        ),
    ),
    "has the name of another stack": (2, environment(endpoint="foundation")),
    "has an unknown model": (2, environment(component={"model": {"id": "meta/llama", "prefix": "weights/l/"}})),
}


@pytest.fixture(scope="module")
def compared() -> Comparison:
    return compare(content for _, content in CASES.values())


def test_plan_and_synth_agree_on_every_kind_of_answer(compared: Comparison) -> None:
    assert compared.different == []
    assert {code for code, _ in CASES.values()} == set(compared.codes) == {0, 1, 2}


@pytest.mark.parametrize("name", list(CASES))
def test_the_exit_code_tells_a_plan_that_says_no_from_wrong_settings(name: str, tmp_path: Path) -> None:
    code, content = CASES[name]
    (tmp_path / "fuzz.yaml").write_text(json.dumps(content), encoding="utf-8")
    assert planned(tmp_path)[0] == code


def test_plan_and_synth_agree_on_random_environments(capsys: pytest.CaptureFixture[str]) -> None:
    found = compare(drawn(EXAMPLES))
    with capsys.disabled():
        print(f"\n{found}")
    assert found.different == []
    assert found.codes.total() == EXAMPLES
