"""Places that random requests are sent to: a copy of the container on this machine, and a component of the embedded AWS."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import boto3
import psutil
from botocore.config import Config

from benchmarks.container_overhead import free_port
from localcloud.aws.server import LocalCloud
from localcloud.background import container_command
from localcloud.engine.recipe import engine_environment, engine_python
from tools.requests.endpoints import EndpointTarget
from tools.requests.run import HttpTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_sagemaker import SageMakerClient

    from tools.requests.strategies import Body

ROOT: Final = Path(__file__).resolve().parents[2]
ADAPTER: Final = "triage"
_STARTUP_TIMEOUT_S: Final = 600
_ENDPOINT, _COMPONENT, _BUCKET, _PREFIX = "fuzz", "fuzz-tiny", "weights", "weights/tiny/"
_GRANTED: Final = {"*": 10.0}
"""Service quotas of the embedded AWS's account; a new one may run no GPU at all."""
_ROLE: Final = "arn:aws:iam::123456789012:role/hosting"
_LORA: Final = {
    "SM_SGLANG_ENABLE_LORA": "true",
    "SM_SGLANG_MAX_LORA_RANK": "8",
    "SM_SGLANG_LORA_TARGET_MODULES": "all",
}
_SMALL: Final = {"PYTHONWARNINGS": "ignore", "SM_SGLANG_DTYPE": "float32"}


class Target(Protocol):
    """What requests are sent through; raises `OSError` if no answer came."""

    def __call__(self, body: Body) -> tuple[int, bytes]:
        """Return status and content of the answer."""

    def close(self) -> None:
        """Close connections."""


class Copy:
    """A copy of the container that serves the tiny model on this machine's CPU.

    Args:
        models: Folder with the tiny model and its adapters.
        lora: Whether LoRA is on and an adapter loaded.

    Attributes:
        port: Its port.
    """

    def __init__(self, models: Path, *, lora: bool) -> None:
        self.port = free_port()
        self._models, self._lora = models, lora
        environment = engine_environment(
            {
                **os.environ,
                "CDK_SGLANG_PYTHON": str(engine_python()),
                "CDK_SGLANG_MODEL_DIR": str(models / "base"),
                "CDK_SGLANG_ADAPTERS_DIR": tempfile.gettempdir(),
                "CDK_SGLANG_HOST": "127.0.0.1",
                "CDK_SGLANG_PORT": str(self.port),
                **_SMALL,
                **(_LORA if lora else {}),
            }
        )
        with (models / "copy.log").open("wb") as output:
            self._process = subprocess.Popen(
                [str(ROOT / "container" / "serve"), "serve"], env=environment, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the loaded adapters."""
        return (ADAPTER,) if self._lora else ()

    def wait(self) -> None:
        """Wait until `/ping` says 200, and load the adapter."""
        began = time.monotonic()
        while self.ping() != 200:
            if self._process.poll() is not None or time.monotonic() > began + _STARTUP_TIMEOUT_S:
                raise SystemExit(f"the copy did not start: {(self._models / 'copy.log').read_text()[-2000:]}")
            time.sleep(0.1)
        target = HttpTarget(self.port)
        for name in self.adapters:
            status = target.post("/adapters", {"name": name, "src": str(self._models / "adapter-a")})
            if status != 200:
                raise SystemExit(f"the adapter was not loaded: {status}")
        target.close()

    def ping(self) -> int:
        """Status of `/ping` within SageMaker's two seconds; 0 without an answer."""
        target = HttpTarget(self.port, timeout_s=2)
        try:
            return target.get("/ping")
        except OSError:
            return 0
        finally:
            target.close()

    def target(self, _caller: int) -> Target:
        """Return a connection for one caller."""
        return HttpTarget(self.port, timeout_s=60)

    def schedulers(self) -> set[int]:
        """Process ids of SGLang's schedulers."""
        return _schedulers(self._process.pid)

    def stop(self) -> None:
        """Kill it and its children."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in [*psutil.Process(self._process.pid).children(recursive=True), self._process]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self._process.wait()


class Component:
    """A component of the embedded AWS, in this process, with LoRA on and an adapter component.

    Args:
        models: Folder with the tiny model and its adapters.
    """

    adapters: tuple[str, ...] = ()

    def __init__(self, models: Path) -> None:
        command = tuple(container_command(engine_python()))
        self._cloud = LocalCloud(port=0, state_dir=models / "state", images=(("*", command),), quotas=_GRANTED)
        self._cloud.__enter__()
        keys = self._cloud.credentials
        session = boto3.Session(keys.access_key_id, keys.secret_access_key, region_name="us-east-1")
        once = Config(retries={"total_max_attempts": 1}, read_timeout=120, max_pool_connections=32)
        self._client: Any = lambda name: session.client(name, endpoint_url=self._cloud.url, config=once)
        self._models = models
        self._runtime = self._client("sagemaker-runtime")

    def wait(self) -> None:
        """Create the endpoint, the component and its adapter, and wait until they are in service."""
        storage, sagemaker = self._client("s3"), self._client("sagemaker")
        storage.create_bucket(Bucket=_BUCKET)
        for file in (self._models / "base").iterdir():
            storage.upload_file(str(file), _BUCKET, f"{_PREFIX}{file.name}")
        storage.put_object(Bucket=_BUCKET, Key="adapter.tar.gz", Body=_packed(self._models / "adapter-a"))
        data = {"S3Uri": f"s3://{_BUCKET}/{_PREFIX}", "S3DataType": "S3Prefix", "CompressionType": "None"}
        sagemaker.create_model(
            ModelName=_COMPONENT,
            ExecutionRoleArn=_ROLE,
            PrimaryContainer={
                "Image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/sglang:latest",
                "ModelDataSource": {"S3DataSource": data},
                "Environment": {**_SMALL, **_LORA},
            },
        )
        variant = {"VariantName": "main", "InstanceType": "ml.g6e.2xlarge", "InitialInstanceCount": 1}
        sagemaker.create_endpoint_config(
            EndpointConfigName=_ENDPOINT, ExecutionRoleArn=_ROLE, ProductionVariants=[variant]
        )
        sagemaker.create_endpoint(EndpointName=_ENDPOINT, EndpointConfigName=_ENDPOINT)
        sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=_ENDPOINT, WaiterConfig={"Delay": 1})
        needs = {"MinMemoryRequiredInMb": 1024, "NumberOfAcceleratorDevicesRequired": 1}
        self._add(sagemaker, _COMPONENT, {"ModelName": _COMPONENT, "ComputeResourceRequirements": needs})
        artifact = {"ArtifactUrl": f"s3://{_BUCKET}/adapter.tar.gz"}
        adapter = {"BaseInferenceComponentName": _COMPONENT, "Container": artifact}
        self._add(sagemaker, f"{_COMPONENT}-{ADAPTER}", adapter)

    def _add(self, sagemaker: SageMakerClient, name: str, specification: Any) -> None:
        runtime: Any = {} if "BaseInferenceComponentName" in specification else {"RuntimeConfig": {"CopyCount": 1}}
        sagemaker.create_inference_component(
            InferenceComponentName=name,
            EndpointName=_ENDPOINT,
            VariantName="main",
            Specification=specification,
            **runtime,
        )
        began = time.monotonic()
        while (status := self._described(sagemaker, name)["InferenceComponentStatus"]) != "InService":
            if status == "Failed" or time.monotonic() > began + _STARTUP_TIMEOUT_S:
                raise SystemExit(f"{name} is {status}: {self._described(sagemaker, name).get('FailureReason')}")
            time.sleep(0.2)

    @staticmethod
    def _described(sagemaker: SageMakerClient, name: str) -> dict[str, Any]:
        return dict(sagemaker.describe_inference_component(InferenceComponentName=name))

    def ping(self) -> int:
        """200 while the embedded AWS, which asks `/ping` every two seconds, has a copy in service; else 503."""
        count = self._described(self._client("sagemaker"), _COMPONENT)["RuntimeConfig"]["CurrentCopyCount"]
        return 200 if count == 1 else 503

    def target(self, caller: int) -> Target:
        """Return the base for one caller, the adapter for the next."""
        return EndpointTarget(self._runtime, _ENDPOINT, f"{_COMPONENT}-{ADAPTER}" if caller % 2 else _COMPONENT)

    def schedulers(self) -> set[int]:
        """Process ids of SGLang's schedulers."""
        return _schedulers(os.getpid())

    def stop(self) -> None:
        """End the embedded AWS and its copies."""
        self._cloud.stop()


def _schedulers(parent: int) -> set[int]:
    found = set()
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(parent).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "sglang::scheduler" in " ".join(child.cmdline()):
                    found.add(child.pid)
    return found


def _packed(folder: Path) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as packed:
        for file in sorted(folder.iterdir()):
            packed.add(file, file.name)
    return archive.getvalue()


Place = Copy | Component


@contextlib.contextmanager
def opened(name: str) -> Iterator[Place]:
    """Start a place that serves the tiny model: "engine", "lora" or "endpoint"; nothing of it outlives the block."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        models = Path(folder)
        make = [str(engine_python()), "-m", "localcloud.engine.tiny_model", folder]
        subprocess.run(make, cwd=ROOT, env=engine_environment(), check=True, capture_output=True)
        place: Place = Component(models) if name == "endpoint" else Copy(models, lora=name == "lora")
        try:
            place.wait()
            yield place
        finally:
            place.stop()
