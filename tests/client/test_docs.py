"""Every example of docs/client.md runs as it stands, against the embedded AWS."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.client.test_route import HELLO
from tests.localcloud.helpers import any_component, any_endpoint, eventually, in_service

BLOCKS = re.findall(
    r"^```(python|yaml)\n(.*?)^```$",
    (Path(__file__).parents[2] / "docs" / "client.md").read_text(encoding="utf-8"),
    flags=re.DOTALL | re.MULTILINE,
)


@pytest.fixture
def deployed(client: Callable[[str], Any]) -> None:
    """What the examples call by name."""
    sagemaker = client("sagemaker")
    for endpoint, component in (("prod-chat", "llama"), ("prod-burst", "qwen")):
        any_endpoint(sagemaker, endpoint)
        eventually(
            lambda endpoint=endpoint: (
                sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "InService"
            )
        )
        any_component(sagemaker, f"{endpoint}-{component}", endpoint=endpoint)
        in_service(sagemaker, f"{endpoint}-{component}")
    destinations = [
        {"endpoint": f"prod-{name}", "component": f"prod-{name}-qwen"} for name in ("reserved", "burst")
    ]  # the reserved endpoint is not deployed: the route passes it over
    value = json.dumps({"version": 1, "destinations": destinations})
    client("ssm").put_parameter(Name="/cdk-sglang/prod/routes/reasoning", Value=value, Type="String")


def test_there_are_examples_and_they_are_short() -> None:
    assert [kind for kind, _ in BLOCKS] == ["python", "python", "yaml", "python"]
    assert max(len(text.splitlines()) for _, text in BLOCKS) <= 10


def test_the_examples_run_as_they_stand(deployed: None, cloud: Any) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "AWS_ENDPOINT_URL": cloud.url,
        **cloud.credentials.environment,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    reply = f"heard: {HELLO[0]['content']}\n"
    outputs = [f"{reply}part 0 part 1 part 2 ", reply, reply]
    programs = [text for kind, text in BLOCKS if kind == "python"]
    for program, output in zip(programs, outputs, strict=True):
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == output


def test_the_example_of_a_route_is_accepted(root: Path) -> None:
    from cdk_sglang.environments.settings import Environment

    (text,) = (text for kind, text in BLOCKS if kind == "yaml")
    endpoint = {
        "capacity": {"type": "ml.g6e.12xlarge", "max_instances": 1},
        "components": {"qwen": {"model": {"prefix": "weights/qwen/"}}},
    }
    content = {"network": {"vpc": "none"}, "endpoints": {"reserved": endpoint, "burst": endpoint}}
    settings = Environment.model_validate(content | yaml.safe_load(text))
    assert settings.routes == {"reasoning": ("reserved/qwen", "burst/qwen")}
