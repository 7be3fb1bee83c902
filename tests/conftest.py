"""Settings of every test run: a node that jsii supports, no validation unless a test asks for it, loopback sockets only."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as for what a shell runs in the background: no child of the tests would notice a Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Imports only add objects: looking for garbage among them again and again was a third of the collection's time.
gc.disable()

# Both are read when jsii starts its node process, which importing aws_cdk does.
_NODE = Path(sys.prefix, "bin", "node")
if _NODE.exists():
    os.environ.setdefault("JSII_NODE", str(_NODE))
# Threads that look for garbage beside one another cost more than they save where every core has work: a third of a validation's CPU time.
os.environ.setdefault("NODE_OPTIONS", "--v8-pool-size=0")
os.environ["CDK_VALIDATION"] = "false"  # the built-in engine takes seconds; tests that want it add it to their app
os.environ.pop("CDK_CONTEXT_JSON", None)
os.environ.pop("CDK_OUTDIR", None)

import botocore.client
import botocore.session
import pytest
import pytest_socket
import typer.testing
from hypothesis import HealthCheck, settings

from tests.support import one_node
from tools.examples import draw_same_examples

one_node.install()

pytest_plugins = ("tests.support.embedded_aws", "tests.support.scheduling")

# Every test has a session of its own, and each session would parse the models of its services anew: SageMaker's takes a quarter of a second.
botocore.session.create_loader = cache(botocore.session.create_loader)

_CLIENT_CLASSES: dict[tuple[str, bool], type] = {}
_made_client_class = botocore.client.ClientCreator._create_client_class


def _client_class(creator: Any, service_name: str, service_model: Any) -> type:
    """Make the class of a service's client once, with boto3's additions and without: hundreds of methods with their documentation."""
    key = (service_name, "Boto3" in creator._user_agent)
    if key not in _CLIENT_CLASSES:
        _CLIENT_CLASSES[key] = _made_client_class(creator, service_name, service_model)
    return _CLIENT_CLASSES[key]


botocore.client.ClientCreator._create_client_class = _client_class

# A command of the CLI in a test would make all of its commands from their functions' signatures anew, a seventh of the tests' time.
typer.testing._get_command = cache(typer.testing._get_command)

# The same examples in every run, so that a failure in CI is one everywhere (pytest_configure does the rest); `--hypothesis-profile=explore`
# looks further.
settings.register_profile(
    "ci",
    deadline=None,  # the first call into jsii is slow
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", settings.get_profile("ci"), derandomize=False, print_blob=True)
settings.load_profile("ci")


def pytest_configure(config: pytest.Config) -> None:
    """Draw examples that do not depend on the files that a process ran before, other than to look further."""
    if config.getoption("hypothesis_profile", None) != "explore":
        draw_same_examples()


def pytest_collection_finish() -> None:
    """Look for garbage again from here on, and less often than after 700 objects, among what the tests make: what was imported stays."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


@pytest.fixture(autouse=True)
def _only_loopback() -> None:
    """Refuse connections to anywhere else: nothing may need a network."""
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(autouse=True)
def _own_session() -> None:
    """Let no test sign with the credentials of one before: boto3 keeps its default session, moto's with made-up ones too."""
    if "boto3" in sys.modules:
        sys.modules["boto3"].DEFAULT_SESSION = None


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A folder with the tiny model and its adapters, each a folder; made in `.venv-engine`, which takes 10 s."""
    from localcloud.engine.recipe import engine_environment, engine_python

    folder = tmp_path_factory.mktemp("models")
    command = [str(engine_python()), "-m", "localcloud.engine.tiny_model", str(folder)]
    subprocess.run(command, cwd=root, env=engine_environment(), check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def browser() -> str:
    """Chromium, to look at pages with. CI installs it (.ci/run), so there its absence is a failure and no reason to skip."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None and os.environ.get("CI"):
        pytest.fail("no Chromium on this machine, and .ci/run should have installed it")
    if found is None:
        pytest.skip("no Chromium on this machine")
    return found


@pytest.fixture(scope="session")
def session_cloud(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Any]:
    """The embedded AWS with a small program for a container: one in the process, since its state, clock and settings are the process's."""
    from localcloud.aws import clock
    from localcloud.aws.server import LocalCloud
    from tests.localcloud.helpers import CREDENTIALS
    from tests.support.accounts import LARGE

    clock._TICK_S = 0.08  # hundreds of tests wait for the next tick of an endpoint, and for that of its component
    command = (
        sys.executable,
        "-S",
        str(root / "tests" / "localcloud" / "container_program.py"),
    )  # without site-packages: it starts at once
    with LocalCloud(
        port=0,
        state_dir=tmp_path_factory.mktemp("localcloud"),
        credentials=CREDENTIALS,
        quotas=LARGE,
        images=(("*", command),),
        endpoint_s=0.05,
        instance_s=0.05,
        stop_grace_s=2,
        provision_s=3,
    ) as cloud:
        yield cloud
