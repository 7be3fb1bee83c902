"""A fleet of real SGLang processes on the embedded AWS, deployed by the unmodified CDK CLI; one for all tests here."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest
import yaml
from botocore.config import Config

from localcloud import local
from localcloud.aws.hosting.copies import ProcessCopy
from localcloud.aws.hosting.standby import standby
from localcloud.aws.hosting.store import stores
from localcloud.aws.server import LocalCloud
from localcloud.background import container_command
from localcloud.engine.recipe import EngineMissingError, engine_python
from tests.localcloud.helpers import session_with
from tests.support.accounts import LARGE
from tools.requests.endpoints import EndpointTarget
from tools.requests.run import Tally, drawn
from tools.requests.strategies import INVOKED

ROOT = Path(__file__).parents[3]
FOUNDATION = "cdk-sglang-e2e-foundation"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the engine; put these tests behind one another in their order, since those of a file share one fleet's life.

    Behind one another: pytest ends the fleet of a file with the file's last test in a row, and whatever came in between would get a new one.
    """
    reason = _why_no_engine()
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in here:
        item.add_marker(pytest.mark.engine)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))
    in_order(items, here)


def in_order(items: list[Any], some: list[Any]) -> None:
    """Move some of the items behind one another, by file and line, to the place of the first of them."""
    if not some:
        return
    place = items.index(some[0])
    others = [item for item in items if item not in some]
    ordered = sorted(some, key=lambda item: (item.path, item.reportinfo()[1] or 0))
    items[:] = [*others[:place], *ordered, *others[place:]]


def _why_no_engine() -> str | None:
    if os.environ.get("ENGINE") == "0":
        return "ENGINE=0: tests that need the SGLang engine are left out"
    try:
        engine_python()
    except EngineMissingError as error:
        return str(error)
    return None


class Fleet:
    """The deployed environment `e2e`, and what a user does with it."""

    def __init__(self, cloud: LocalCloud, folder: Path) -> None:
        self.url = cloud.url
        self.folder = folder
        self.credentials = cloud.credentials
        self.environment = local.aws_environment(cloud.url, cloud.credentials)
        self.session = session_with(cloud.credentials)
        config = Config(retries={"total_max_attempts": 1}, read_timeout=120, max_pool_connections=256)
        self.client = cache(lambda name: self.session.client(name, endpoint_url=self.url, config=config))
        self.sagemaker = self.client("sagemaker")

    def write(self, components: dict[str, Any], **more: Any) -> None:
        settings = {
            **more,
            "account": "123456789012",
            "region": "us-east-1",
            "network": {"vpc": "none"},
            "data": {"on_delete": "destroy", "log_retention_days": 1},
            "endpoints": {
                "chat": {"capacity": {"type": "ml.g6e.12xlarge", "max_instances": 1}, "components": components}
            },
        }
        (self.folder / "e2e.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    def cdk(self, *words: str, app: Literal["source", "made"] | None = "source") -> subprocess.CompletedProcess[str]:
        """Run the CDK CLI: on the app, on the templates that were made of it last, or without one."""
        context = ["-c", "env=e2e", "-c", f"environments={self.folder}", "--output", str(self.folder / "cdk.out")]
        options = {"source": context, "made": ["--app", str(self.folder / "cdk.out")], None: []}[app]
        command = [str(ROOT / "node_modules/.bin/cdk"), *words, *options, "--no-notices", "--no-color"]
        folder = ROOT if app else self.folder  # where there is a cdk.json, `cdk bootstrap` synthesises its app
        environment = {**self.environment, "PATH": f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"}
        environment |= {"PYTHONPATH": f"{ROOT / 'constructs'}{os.pathsep}{ROOT}", "CDK_VALIDATION": "false"}
        return subprocess.run(
            command, cwd=folder, env=environment, text=True, capture_output=True, check=False, timeout=400
        )

    def deploy(self, *stacks: str, app: Literal["source", "made"] = "source") -> str:
        done = self.cdk("deploy", *(stacks or ("--all",)), "--require-approval", "never", app=app)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def ask(self, component: str = "tiny", *, text: str = "hello", tokens: int = 8, **more: Any) -> dict[str, Any]:
        body = {"messages": [{"role": "user", "content": text}], "max_tokens": tokens, "temperature": 0, **more}
        return dict(json.loads(self.invoke(component, body)["Body"].read()))

    def invoke(self, component: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
        """One InvokeEndpoint, answered or raised as boto3 has it."""
        answer = self.client("sagemaker-runtime").invoke_endpoint(
            EndpointName="e2e-chat",
            InferenceComponentName=f"e2e-chat-{component}",
            ContentType="application/json",
            Body=json.dumps(body),
            **headers,
        )
        return dict(answer)

    def fuzzed(self, *components: str, count: int, first: int) -> Tally:
        """Send random requests to components in turn; what came of them."""
        runtime = self.client("sagemaker-runtime")
        targets = [EndpointTarget(runtime, "e2e-chat", f"e2e-chat-{component}") for component in components]
        tally = Tally()
        for number, body in enumerate(drawn(count, first=first, paths=INVOKED)):
            tally.add(body, *targets[number % len(targets)](body))
        return tally

    def described(self, component: str = "tiny") -> dict[str, Any]:
        return dict(self.sagemaker.describe_inference_component(InferenceComponentName=f"e2e-chat-{component}"))

    def copies(self, component: str = "tiny") -> list[ProcessCopy]:
        """The copies of a component that have a process, as the embedded AWS has them."""
        name = f"e2e-chat-{component}"
        found = next(store.components[name].copies for store in stores() if name in store.components)
        return [copy for copy in found if isinstance(copy, ProcessCopy) and copy.pid is not None]

    def engines(self) -> list[psutil.Process]:
        """The processes that stand for containers."""
        children = psutil.Process().children(recursive=True)
        return [process for process in children if "cdk_sglang_container" in " ".join(process.cmdline())]


@pytest.fixture(scope="session")
def models(tiny_models: Path) -> Path:
    """The tiny model and its adapters, each a folder."""
    return tiny_models


@pytest.fixture(scope="session", autouse=True)
def _standby() -> Iterator[None]:
    """Copies are forks of one process, as those of `make local` are; it lasts for all fleets here."""
    if not _why_no_engine():
        standby().start(container_command(engine_python()))
    yield
    standby().stop()


@contextmanager
def deployed(folder: Path, models: Path, components: dict[str, Any], **more: Any) -> Iterator[Fleet]:
    """A fleet with the tiny model; nothing of it outlives the block."""
    command = tuple(container_command(engine_python()))
    with LocalCloud(port=0, state_dir=folder / "state", images=(("*", command),), quotas=LARGE) as cloud:
        fleet = Fleet(cloud, folder)
        fleet.write(components, **more)
        bootstrapped = fleet.cdk("bootstrap", "aws://123456789012/us-east-1", app=None)
        assert bootstrapped.returncode == 0, bootstrapped.stdout + bootstrapped.stderr
        fleet.deploy("Foundation")
        bucket = local.outputs(fleet.client("cloudformation"), FOUNDATION)["WeightsBucket"]
        for file in (models / "base").iterdir():
            fleet.client("s3").upload_file(str(file), bucket, f"weights/tiny-llama/{file.name}")
        fleet.deploy(app="made")
        yield fleet
    assert not fleet.engines(), "a container outlived its server"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Fleet]:
    with deployed(tmp_path_factory.mktemp("e2e"), models, {"tiny": component(context_length=8192)}) as fleet:
        yield fleet


def component(*, context_length: int, copies: int = 1) -> dict[str, Any]:
    """A component with the tiny model; float32, so that equal prompts give equal answers on every copy."""
    return {
        "model": {"prefix": "weights/tiny-llama/", "weights_gib": 0.01},
        "server": {"context_length": context_length, "dtype": "float32", "extra": {"sleep_on_idle": True}},
        "copies": copies,
    }
