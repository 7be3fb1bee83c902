"""What the tests of the embedded AWS build again and again."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import moto.core.models  # noqa: F401  moto answers for sessions that are made after its import

from localcloud.aws.credentials import Credentials

ROOT = Path(__file__).resolve().parents[2]
ROLE = "arn:aws:iam::123456789012:role/hosting"
CREDENTIALS = Credentials.random()
"""Of the embedded AWS of this run, see `session_cloud`."""


def session_with(credentials: Credentials) -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        region_name="us-east-1",
    )


SESSION = session_with(CREDENTIALS)


def variant(**changes: Any) -> dict[str, Any]:
    scaling = {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 3}
    defaults = {"VariantName": "main", "InstanceType": "ml.g6e.12xlarge", "InitialInstanceCount": 1}
    return defaults | {"ManagedInstanceScaling": scaling} | changes


def specification(**changes: Any) -> dict[str, Any]:
    needs = {"MinMemoryRequiredInMb": 1024, "NumberOfAcceleratorDevicesRequired": 2}
    return {"Container": {"Image": "sglang:latest"}, "ComputeResourceRequirements": needs} | changes


def any_endpoint(sagemaker: Any, name: str = "fleet", **changes: Any) -> str:
    sagemaker.create_endpoint_config(
        EndpointConfigName=f"{name}-1", ExecutionRoleArn=ROLE, ProductionVariants=[variant(**changes)]
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=f"{name}-1")
    return name


def any_component(sagemaker: Any, name: str = "llama", *, copies: int = 1, endpoint: str = "fleet", **spec: Any) -> str:
    sagemaker.create_inference_component(
        InferenceComponentName=name,
        EndpointName=endpoint,
        VariantName="main",
        Specification=specification(**spec),
        RuntimeConfig={"CopyCount": copies},
    )
    return name


def eventually(holds: Callable[[], Any], *, within_s: float = 60) -> Any:
    deadline = time.monotonic() + within_s
    while not (value := holds()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return value


def in_service(sagemaker: Any, component: str = "llama") -> None:
    def settled() -> str | None:
        status = sagemaker.describe_inference_component(InferenceComponentName=component)["InferenceComponentStatus"]
        return status if status in ("InService", "Failed") else None

    assert eventually(settled) == "InService"
