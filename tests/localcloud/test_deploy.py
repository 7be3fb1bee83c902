"""`cdk-sglang deploy` on an account where nothing is: the real CDK CLI, the real app, one command run twice."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.aws.server import LocalCloud
from tests.localcloud.helpers import ROOT
from tests.support.model_folders import TOKENIZER
from tests.support.unpacked import UNPACKED
from tests.support.weights import safetensors_bytes

pytestmark = pytest.mark.timeout(900)

FILES = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": TOKENIZER,
    "model.safetensors": safetensors_bytes({"a": (64, 64)}),
}
PREFIX = "weights/acme/llama/"
ENVIRONMENT: dict[str, Any] = {
    "account": "123456789012",
    "region": "us-east-1",
    "network": {"vpc": "none"},
    "data": {"on_delete": "destroy", "log_retention_days": 1},
    "alarms": {"none": "nobody watches a test"},
    "endpoints": {
        "chat": {
            "capacity": {"type": "ml.g6e.12xlarge", "max_instances": 1},
            "components": {
                "llama": {"model": {"prefix": PREFIX, "weights_gib": 0.01}, "server": {"context_length": 2048}}
            },
        }
    },
}


@pytest.fixture
def start(cloud: LocalCloud, tmp_path: Path, client: Any) -> Callable[..., subprocess.Popen[str]]:
    """Start the command in a folder with an app and one environment, in a bootstrapped account, without a terminal."""
    client("s3").create_bucket(Bucket="cdk-hnb659fds-assets-123456789012-us-east-1")
    client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "new.yaml").write_text(yaml.safe_dump(ENVIRONMENT))
    context = json.loads((ROOT / "cdk.json").read_text())
    (tmp_path / "cdk.json").write_text(json.dumps({**context, "app": f"{sys.executable} {ROOT / 'app.py'}"}))
    environment = {
        "PATH": f"{ROOT / 'node_modules/.bin'}{os.pathsep}{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT / 'constructs'}{os.pathsep}{ROOT}",
        "HOME": str(tmp_path),
        **UNPACKED,
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_VALIDATION": "false",
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_ENDPOINT_URL_S3": cloud.url,
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        **cloud.credentials.environment,
    }

    def begin(*arguments: str, words: tuple[str, ...] = ("deploy", "--yes")) -> subprocess.Popen[str]:
        code = "from cdk_sglang.cli.main import main; main()"
        command = [sys.executable, "-u", "-c", code, *words, "--env", "new", *arguments]
        return subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    return begin


def statuses(client: Any) -> dict[str, str]:
    stacks = client("cloudformation").describe_stacks()["Stacks"]
    return {stack["StackName"]: stack["StackStatus"] for stack in stacks}


def test_a_new_environment_is_deployed_when_its_weights_have_come(
    start: Callable[..., subprocess.Popen[str]], client: Any, tmp_path: Path
) -> None:
    first = start()
    printed, _ = first.communicate(timeout=400)
    assert first.returncode == 1, printed
    assert statuses(client) == {"cdk-sglang-new-foundation": "CREATE_COMPLETE"}
    brings = re.search(rf"upload with: aws s3 sync \./llama/ s3://(?P<bucket>[^/]+)/{PREFIX}$", printed, re.MULTILINE)
    assert brings is not None, printed
    assert "weights are missing; upload them and run the same command again, or give --wait" in printed
    outputs = client("cloudformation").describe_stacks(StackName="cdk-sglang-new-foundation")["Stacks"][0]["Outputs"]
    assert brings["bucket"] in [output["OutputValue"] for output in outputs]

    second = start("--wait", "--wait-minutes", "5")
    lines: list[str] = []
    waits = threading.Event()

    def read() -> None:
        assert second.stdout is not None
        for line in second.stdout:
            lines.append(line)
            if line.startswith("waiting up to 5 minutes"):
                waits.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert waits.wait(400), "".join(lines)
        assert "cdk-sglang-new-chat" not in statuses(client)
        for name, body in FILES.items():
            client("s3").put_object(Bucket=brings["bucket"], Key=f"{PREFIX}{name}", Body=body)
        assert second.wait(400) == 0, "".join(lines)
    finally:
        second.kill()
        second.wait()
        reader.join()
        assert second.stdout is not None
        second.stdout.close()
    assert f"complete: s3://{brings['bucket']}/{PREFIX}\n" in lines
    assert statuses(client) == {
        "cdk-sglang-new-foundation": "CREATE_COMPLETE",
        "cdk-sglang-new-chat": "CREATE_COMPLETE",
        "cdk-sglang-new-chat-alarms": "CREATE_COMPLETE",
        "cdk-sglang-new-dashboards": "CREATE_COMPLETE",
        "cdk-sglang-new-observability": "CREATE_COMPLETE",
    }
    answer = client("sagemaker-runtime").invoke_endpoint(
        EndpointName="new-chat",
        InferenceComponentName="new-chat-llama",
        ContentType="application/json",
        Body=json.dumps({"messages": [{"role": "user", "content": "hi"}]}),
    )
    assert json.loads(answer["Body"].read())["choices"][0]["message"]["content"] == "heard: hi"

    settings = copy.deepcopy(ENVIRONMENT)
    file = tmp_path / "environments" / "new.yaml"
    for length, ends in (
        (2048, ["untouched: chat, chat/llama", "nothing changes"]),
        (1024, ["chat/llama: new copies"]),
    ):
        settings["endpoints"]["chat"]["components"]["llama"]["server"]["context_length"] = length
        file.write_text(yaml.safe_dump(settings))
        looks = start("--fail", words=("diff",))
        printed, _ = looks.communicate(timeout=400)
        assert looks.returncode == (0 if length == 2048 else 1), printed
        assert set(ends) <= set(printed.splitlines()), printed


def test_make_deploy_without_an_environment_deploys_nothing() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "-o", "setup", "deploy"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "ENV"},
        text=True,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == "make deploy: say which environment, such as make deploy ENV=dev"
