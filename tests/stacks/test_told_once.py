"""A mistake that several checks read is told once, where it is; what follows from it is told when it has been mended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdk_sglang import ConfigurationError
from cdk_sglang.environments.planning import fleet_request
from cdk_sglang.planning.plan import plan_fleet

LLAMA = "endpoints.chat.components.llama"
PLAN = "arn:aws:sagemaker:us-east-1:111122223333:training-plan/peak"
SCALING = {"min_copies": 1, "max_copies": 2}
SLO = {"ttft_ms": 50, "tpot_ms": 1}

Change = Callable[[dict[str, Any]], None]


def problem_paths(folder: Path, change: Change) -> list[str]:
    """Change a small environment, and return the paths of what `plan` says against it."""
    content: dict[str, Any] = {
        "account": "111122223333",
        "region": "us-east-1",
        "network": {"vpc": "none"},
        "endpoints": {
            "chat": {
                "capacity": {"type": "ml.g6e.12xlarge", "max_instances": 2},
                "components": {"llama": {"model": {"id": "Qwen/Qwen3-8B", "prefix": "weights/qwen/"}}},
            }
        },
    }
    change(content)
    (folder / "test.yaml").write_text(yaml.safe_dump(content))
    try:
        problems = plan_fleet(fleet_request("test", folder=folder)).problems
    except ConfigurationError as error:
        problems = error.problems
    return [problem.path.removeprefix(f"{folder / 'test.yaml'}: ") for problem in problems]


def component(**keys: Any) -> Change:
    return lambda content: content["endpoints"]["chat"]["components"]["llama"].update(keys)


def endpoint(capacity: dict[str, Any], **keys: Any) -> Change:
    def change(content: dict[str, Any]) -> None:
        content["endpoints"]["chat"]["capacity"] = capacity
        component(**keys)(content)

    return change


def renamed_endpoint(content: dict[str, Any]) -> None:
    content["endpoints"] = {"Chat": content["endpoints"]["chat"]}
    content |= {"agent": {"enabled": True, "component": "Chat/llama"}, "bench": {"a": {"component": "Chat/llama"}}}
    content["routes"] = {"all": ["Chat/llama", "Chat/other"]}


def renamed_component(content: dict[str, Any]) -> None:
    chat = content["endpoints"]["chat"]
    chat["components"] = {"Llama_8": chat["components"]["llama"]}
    content |= {"agent": {"enabled": True, "component": "chat/Llama_8"}, "bench": {"a": {"component": "chat/Llama_8"}}}


def zones(content: dict[str, Any]) -> None:
    content["network"] = {"vpc": "create", "availability_zones": ["us-west-2a", "us-west-2b"]}


def plan_from_elsewhere(content: dict[str, Any]) -> None:
    content |= {"region": "us-west-2", "account": "999988887777"}
    reserved = {"training_plan": PLAN, "type": "ml.p5.48xlarge", "count": 1, "until": "2999-03-01"}
    content["endpoints"]["chat"]["capacity"] = {"reserved": reserved}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        pytest.param(
            component(model={"id": "acme/none", "prefix": "weights/x/"}, scaling=SCALING, slo=SLO),
            f"{LLAMA}.model.id",
            id="an id that nobody knows",
        ),
        pytest.param(
            component(model={"prefix": "weights/x/"}, scaling=SCALING), f"{LLAMA}.model.id", id="no id, and scaling"
        ),
        pytest.param(
            component(model={"hugging_face": "acme/own", "revision": "a" * 40}, scaling=SCALING),
            f"{LLAMA}.model.hugging_face",
            id="a repository that nobody knows, and scaling",
        ),
        pytest.param(
            component(model={"id": "Qwen/Qwen3-235B-A22B-FP8", "prefix": "weights/q/"}, scaling=SCALING, slo=SLO),
            f"{LLAMA}.server.tp_size",
            id="weights that do not fit",
        ),
        pytest.param(
            endpoint({"type": "ml.g6.2xlarge", "max_instances": 1}, slo=SLO),
            f"{LLAMA}.server.tp_size",
            id="a context that does not fit",
        ),
        pytest.param(
            component(server={"context_length": 2048}, load={"input_tokens": 5000}, slo=SLO),
            f"{LLAMA}.load.input_tokens",
            id="a load beyond the context",
        ),
        pytest.param(
            component(task="embedding", slo={"tpot_ms": 40}),
            f"{LLAMA}.task",
            id="a task that the model is not made for",
        ),
        pytest.param(
            component(server={"lora": {"max_rank": 8, "target_modules": ["al"]}}),
            f"{LLAMA}.server.lora.target_modules.0",
            id="a list with one entry, and that wrong",
        ),
        pytest.param(renamed_endpoint, "endpoints.Chat", id="a name of an endpoint that is not allowed"),
        pytest.param(
            renamed_component, "endpoints.chat.components.Llama_8", id="a name of a component that is not allowed"
        ),
        pytest.param(zones, "network.availability_zones", id="zones of another Region"),
        pytest.param(plan_from_elsewhere, "endpoints.chat.capacity.reserved.training_plan", id="a plan from elsewhere"),
    ],
)
def test_one_mistake_is_one_line_at_its_cause(change: Change, path: str, tmp_path: Path) -> None:
    assert problem_paths(tmp_path, change) == [path]


def test_two_mistakes_are_two_lines(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        renamed_endpoint(content)
        content["agent"]["component"] = "chat llama"
        content["routes"] = {"all": ["Chat/llama"]}

    assert problem_paths(tmp_path, change) == ["endpoints.Chat", "agent.component"]


def test_objectives_of_a_model_that_fits_are_told_beside_another_that_does_not(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["endpoints"]["chat"]["components"] |= {
            "llama": {"model": {"id": "Qwen/Qwen3-8B", "prefix": "weights/q/"}, "slo": {"tpot_ms": 1}},
            "large": {"model": {"id": "Qwen/Qwen3-235B-A22B-FP8", "prefix": "weights/l/"}},
        }

    paths = problem_paths(tmp_path, change)
    assert f"{LLAMA}.slo.tpot_ms" in paths
    assert "endpoints.chat.components.large.server.tp_size" in paths
