"""Endpoints that something else made: what the file says of them, what is said to be lost, and which are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import botocore.client
import pytest
from botocore.exceptions import ClientError
from click.testing import Result
from rich.console import Console

from cdk_sglang.cli.importing import command
from cdk_sglang.errors import ConfigurationError
from tests.localcloud.helpers import ROLE, SESSION
from tests.support.importing import run, written

SGLANG = "763104351884.dkr.ecr.us-east-1.amazonaws.com/sglang:0.5.17-gpu-py312-cu130-ubuntu24.04-sagemaker"
DJL = "763104351884.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.36.0-lmi18.0.0-cu128"
MINE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/llm:v0.5.19"


@pytest.fixture(autouse=True)
def signed_in(driven: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What was asked of AWS, and what it denies."""
    record: dict[str, Any] = {"operations": [], "denied": set()}
    original = botocore.client.BaseClient._make_api_call

    def call(self: Any, operation: str, parameters: Any) -> Any:
        record["operations"].append(operation)
        if operation in record["denied"]:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, operation)
        return original(self, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
    return record


def model(sagemaker: Any, name: str = "mine", image: str = SGLANG, **changes: Any) -> str:
    source = {"S3DataSource": {"S3Uri": "s3://models/Qwen3-8B/", "S3DataType": "S3Prefix", "CompressionType": "None"}}
    container = {"Image": image, "Environment": {"SM_SGLANG_TP_SIZE": "4"}, "ModelDataSource": source} | changes
    definition = {key: value for key, value in container.items() if value is not None}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=definition)
    return name


def single(sagemaker: Any, driven: Any, name: str = "my-llm", *, variants: int = 1, **variant: Any) -> str:
    settings = {"InstanceType": "ml.g6e.12xlarge", "InitialInstanceCount": 2, "ModelName": "mine"} | variant
    sagemaker.create_endpoint_config(
        EndpointConfigName=f"{name}-config",
        ProductionVariants=[{"VariantName": f"v{number}", **settings} for number in range(variants)],
    )
    sagemaker.create_endpoint(
        EndpointName=name, EndpointConfigName=f"{name}-config", Tags=[{"Key": "team", "Value": "x"}]
    )
    driven.advance(20)
    return name


def fleet(sagemaker: Any, driven: Any, *components: str, **spec: Any) -> str:
    scaling = {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 8}
    variant = {"VariantName": "main", "InstanceType": "ml.g6e.12xlarge", "InitialInstanceCount": 8}
    sagemaker.create_endpoint_config(
        EndpointConfigName="c",
        ExecutionRoleArn=ROLE,
        ProductionVariants=[variant | {"ManagedInstanceScaling": scaling}],
    )
    sagemaker.create_endpoint(EndpointName="fleet", EndpointConfigName="c")
    driven.advance(20)
    needs = {"NumberOfAcceleratorDevicesRequired": 2, "MinMemoryRequiredInMb": 4096}
    for name in components:
        sagemaker.create_inference_component(
            InferenceComponentName=name,
            EndpointName="fleet",
            VariantName="main",
            Specification={"ModelName": "mine", "ComputeResourceRequirements": needs} | spec,
            RuntimeConfig={"CopyCount": 1},
        )
    driven.advance(20)
    return "fleet"


def problems(result: Result) -> str:
    assert isinstance(result.exception, ConfigurationError), result.output
    return "\n".join(result.exception.problems)


def test_an_endpoint_of_one_model_becomes_a_component_that_takes_its_instances(
    sagemaker: Any, driven: Any, tmp_path: Path
) -> None:
    model(sagemaker)
    result = run(tmp_path, endpoint=single(sagemaker, driven))
    assert result.exit_code == 0, (result.output, result.exception)
    assert written(tmp_path, "adopted") == {
        "account": "123456789012",
        "region": "us-east-1",
        "tags": {"team": "x"},
        "network": {"vpc": "none"},
        "endpoints": {
            "my-llm": {
                "capacity": {"type": "ml.g6e.12xlarge", "min_instances": 2, "max_instances": 2},
                "network_isolation": False,
                "components": {
                    "qwen": {
                        "model": {"id": "Qwen/Qwen3-8B", "s3": "s3://models/Qwen3-8B/"},
                        "server": {"tp_size": 4},
                        "copies": 2,
                    }
                },
            }
        },
    }
    output = " ".join(result.stdout.split())
    for line in (
        "my-llm my-llm adopted-my-llm",
        "InferenceComponentName none adopted-my-llm-qwen",
        "qwen.server.enable_metrics off on: dashboards and alarms read them",
        "routing at random, AWS's default to the copy with the fewest outstanding requests",
        f"execution role {ROLE} a role of its own",
        f"next: cdk-sglang plan --env {tmp_path / 'adopted.yaml'}",
    ):
        assert line in output


def test_instances_that_scale_become_copies_that_scale(sagemaker: Any, driven: Any, tmp_path: Path) -> None:
    model(sagemaker)
    name = single(sagemaker, driven)
    scaling = SESSION.client("application-autoscaling")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{name}/variant/v0",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=5)
    scaling.put_scaling_policy(
        **target,
        PolicyName="follow",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 40.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
            "ScaleInCooldown": 600,
        },
    )
    assert run(tmp_path, endpoint=name).exit_code == 0
    (endpoint,) = written(tmp_path, "adopted")["endpoints"].values()
    assert endpoint["capacity"] == {"type": "ml.g6e.12xlarge", "max_instances": 5}
    assert endpoint["components"]["qwen"]["scaling"] == {
        "min_copies": 1,
        "max_copies": 5,
        "invocations_per_minute": 40,
        "scale_out_cooldown_seconds": 300,
        "scale_in_cooldown_seconds": 600,
    }


def test_models_of_the_hub_archives_and_secrets_are_said_to_change(sagemaker: Any, driven: Any, tmp_path: Path) -> None:
    token = f"hf_{'x' * 30}"
    hub = {"SM_SGLANG_MODEL_PATH": "Qwen/Qwen3-8B", "HF_TOKEN": token, "SM_SGLANG_MADE_UP": "1"}
    model(sagemaker, ModelDataSource=None, Environment=hub)
    result = run(tmp_path, "--env", "hub", endpoint=single(sagemaker, driven))
    text = (tmp_path / "hub.yaml").read_text()
    assert "model: {id: Qwen/Qwen3-8B, prefix: weights/Qwen/Qwen3-8B/}" in text
    output = " ".join(result.stdout.split())
    assert "SM_SGLANG_MADE_UP=1 nothing: SGLang 0.5.17 has no such option" in output
    assert "qwen.environment.HF_TOKEN set not copied:" in output
    assert token not in text + result.output

    model(sagemaker, "packed", ModelDataSource=None, ModelDataUrl="s3://models/llama.tar.gz")
    result = run(tmp_path, "--env", "packed", endpoint=single(sagemaker, driven, "other", ModelName="packed"))
    assert "model: {s3: 's3://models/llama/'}" in (tmp_path / "packed.yaml").read_text()
    assert "the archive s3://models/llama.tar.gz" in " ".join(result.stdout.split())


def test_an_image_of_ones_own_is_described_by_what_the_user_says_is_inside(
    sagemaker: Any, driven: Any, tmp_path: Path
) -> None:
    model(sagemaker, image=f"{MINE}@sha256:{'a' * 64}")
    name = single(sagemaker, driven)
    run(tmp_path, "--env", "one", endpoint=name)
    image = {"name": "team/llm", "digest": f"sha256:{'a' * 64}", "cuda": "13.0", "sglang_version": "0.5.19"}
    assert written(tmp_path, "one")["image"] == {"repository": image}
    assert "SGLang 0.5.19, CUDA 13.0: assumed" in (tmp_path / "one.yaml").read_text()
    run(tmp_path, "--env", "two", "--sglang-version", "0.5.20", "--cuda", "12.8", endpoint=name)
    assert written(tmp_path, "two")["image"] == {"repository": image | {"cuda": "12.8", "sglang_version": "0.5.20"}}
    assert "assumed" not in (tmp_path / "two.yaml").read_text()


def test_every_page_of_components_is_read_and_names_are_made_to_fit(
    sagemaker: Any, driven: Any, tmp_path: Path
) -> None:
    model(sagemaker, Environment={"SM_SGLANG_TP_SIZE": "2"})
    names = [f"Team_{number:02d}".replace("_", "-") for number in range(13)]
    result = run(tmp_path, endpoint=fleet(sagemaker, driven, *names))
    assert result.exit_code in {0, 1}, result.exception
    (endpoint,) = written(tmp_path, "adopted")["endpoints"].values()
    assert list(endpoint["components"]) == [name.lower() for name in names]
    assert "Team-00 Team-00 adopted-fleet-team-00" in " ".join(result.stdout.split())
    assert endpoint["components"]["team-00"]["resources"]["memory_mib"] == 4096


@pytest.mark.parametrize(
    ("image", "environment", "engine"),
    [
        (DJL, {"OPTION_MODEL_ID": "x/y"}, "DJL Serving (LMI)"),
        (DJL.replace("djl-inference", "huggingface-pytorch-tgi-inference"), {}, "Hugging Face TGI"),
        (DJL.replace("djl-inference", "vllm"), {}, "vLLM"),
        (MINE.replace("team/llm", "team/other"), {"OPTION_ROLLING_BATCH": "vllm"}, "DJL Serving (LMI)"),
        (MINE.replace("team/llm", "team/other"), {}, "an engine that is not known"),
    ],
)
def test_another_engine_is_refused_in_one_line(
    sagemaker: Any, driven: Any, tmp_path: Path, *, image: str, environment: dict[str, str], engine: str
) -> None:
    model(sagemaker, image=image, Environment=environment)
    result = run(tmp_path, endpoint=single(sagemaker, driven))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"my-llm runs {engine}")
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("Creating", "my-llm is Creating: what it will serve with is not settled"),
        ("Updating", "import it afterwards: aws sagemaker wait endpoint-in-service --endpoint-name my-llm"),
        ("RollingBack", "is RollingBack (out of luck)"),
        ("Failed", "my-llm is Failed (out of luck): nothing of it serves that could be described"),
        ("Deleting", "is Deleting"),
    ],
)
def test_an_endpoint_that_changes_or_has_failed_is_refused_with_the_reason(
    sagemaker: Any, driven: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, state: str, message: str
) -> None:
    model(sagemaker)
    single(sagemaker, driven)
    reason = {"FailureReason": "out of luck"} if state in {"Failed", "RollingBack"} else {}
    _answer(monkeypatch, "DescribeEndpoint", EndpointStatus=state, **reason)
    result = run(tmp_path, endpoint="my-llm")
    assert result.exit_code == 1
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_endpoint_whose_update_could_not_be_taken_back_is_described_with_a_warning(
    sagemaker: Any, driven: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model(sagemaker)
    single(sagemaker, driven)
    _answer(monkeypatch, "DescribeEndpoint", EndpointStatus="UpdateRollbackFailed", FailureReason="stuck")
    result = run(tmp_path, endpoint="my-llm")
    assert result.exit_code == 0
    assert "warning: my-llm is UpdateRollbackFailed (stuck); the file says what it serves with now" in result.stderr


def _answer(monkeypatch: pytest.MonkeyPatch, target: str, **more: Any) -> None:
    original = botocore.client.BaseClient._make_api_call

    def call(self: Any, operation: str, parameters: Any) -> Any:
        answer = original(self, operation, parameters)
        return answer | more if operation == target else answer

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"ProductionVariants": [{"VariantName": "a"}, {"VariantName": "b"}]}, "has 2 production variants (a, b)"),
        ({"AsyncInferenceConfig": {"OutputConfig": {}}}, "is asynchronous"),
    ],
)
def test_other_forms_of_endpoints_are_refused(
    sagemaker: Any,
    driven: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    config: dict[str, Any],
    message: str,
) -> None:
    model(sagemaker)
    single(sagemaker, driven)
    _answer(monkeypatch, "DescribeEndpointConfig", **config)
    result = run(tmp_path, endpoint="my-llm")
    assert result.exit_code == 1
    assert f"my-llm {message}" in result.stderr


def test_an_endpoint_without_components_or_of_no_gpus_is_refused(sagemaker: Any, driven: Any, tmp_path: Path) -> None:
    assert "has no inference component" in run(tmp_path, endpoint=fleet(sagemaker, driven)).stderr
    model(sagemaker)
    result = run(tmp_path, endpoint=single(sagemaker, driven, InstanceType="ml.m5.xlarge"))
    assert result.exit_code == 1
    assert "ml.m5.xlarge" in result.stderr


def test_a_name_that_is_not_there_is_answered_with_those_that_are_near(
    sagemaker: Any, driven: Any, tmp_path: Path, calls: dict[str, Any]
) -> None:
    assert "no endpoint 'my-lm' in us-east-1, which has none" in problems(run(tmp_path, endpoint="my-lm"))
    model(sagemaker)
    single(sagemaker, driven)
    assert "did you mean 'my-llm'" in problems(run(tmp_path, endpoint="my-lm"))
    calls["denied"] = {"ListEndpoints"}
    assert "could not be listed: sagemaker:ListEndpoints" in problems(run(tmp_path, endpoint="my-lm"))


def test_what_must_be_read_ends_the_command_if_it_is_denied_and_the_rest_is_a_line(
    sagemaker: Any, driven: Any, tmp_path: Path, calls: dict[str, Any]
) -> None:
    model(sagemaker, Environment={"SM_SGLANG_TP_SIZE": "2"})
    fleet(sagemaker, driven, "llama")
    for operation in (
        "DescribeEndpoint", "DescribeEndpointConfig", "ListInferenceComponents", "DescribeInferenceComponent", "DescribeModel",
    ):  # fmt: skip
        calls["denied"] = {operation}
        result = run(tmp_path, endpoint="fleet")
        assert result.exit_code == 1
        assert f"sagemaker:{operation}: not allowed (no); ask whoever grants permissions for" in result.stderr
        assert list(tmp_path.iterdir()) == []
    calls["denied"] = {"ListTags", "DescribeScalableTargets"}
    result = run(tmp_path, endpoint="fleet")
    assert (tmp_path / "adopted.yaml").exists(), result.exception
    output = " ".join(result.stdout.split())
    assert "tags of the endpoint could not read: sagemaker:ListTags is not allowed" in output
    assert (
        "could not read: application-autoscaling:DescribeScalableTargets is not allowed a fixed number of copies"
        in output
    )


def test_it_only_ever_reads(sagemaker: Any, driven: Any, tmp_path: Path, calls: dict[str, Any]) -> None:
    model(sagemaker, Environment={"SM_SGLANG_TP_SIZE": "2"})
    fleet(sagemaker, driven, "llama")
    calls["operations"].clear()
    run(tmp_path, endpoint="fleet")
    assert {name for name in calls["operations"] if not name.startswith(("Describe", "List", "Get"))} == set()


def test_a_file_that_exists_and_a_bad_name_are_refused_before_aws_is_asked(
    tmp_path: Path, calls: dict[str, Any]
) -> None:
    (tmp_path / "mine.yaml").write_text("kept: true\n")
    refused = problems(run(tmp_path, "--env", "mine", endpoint="fleet"))
    assert "mine.yaml exists; name another with --env or --write, or give --force" in refused
    assert "'Mine!' is not allowed" in problems(run(tmp_path, "--env", "Mine!", endpoint="fleet"))
    assert calls["operations"] == []
    assert (tmp_path / "mine.yaml").read_text() == "kept: true\n"


def test_the_file_goes_to_another_place_or_to_stdout_alone(sagemaker: Any, driven: Any, tmp_path: Path) -> None:
    model(sagemaker)
    name = single(sagemaker, driven)
    place = tmp_path / "elsewhere" / "it.yaml"
    assert f"wrote {place}" in run(tmp_path, "--write", str(place), endpoint=name).stdout
    result = run(tmp_path, "--write", "-", endpoint=name)
    assert result.stdout == place.read_text()
    assert "our defaults would change" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]


def test_the_same_name_as_the_running_endpoint_is_pointed_out(sagemaker: Any, driven: Any, tmp_path: Path) -> None:
    model(sagemaker)
    result = run(tmp_path, "--env", "my", endpoint=single(sagemaker, driven))
    assert (
        "the endpoint would have the name that my-llm has: delete that one first, or give another --env"
        in result.stderr
    )


@pytest.mark.parametrize("width", [60, 140])
def test_no_line_is_wider_than_the_terminal(
    sagemaker: Any, driven: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    model(sagemaker)
    monkeypatch.setattr(command, "stdout", lambda: Console(width=width, highlight=False))
    result = run(tmp_path, endpoint=single(sagemaker, driven))
    shown = result.stdout.partition("wrote ")[0].splitlines()
    assert max(map(len, shown)) <= width
    assert any("it has:" in line for line in shown) == (width == 60)
