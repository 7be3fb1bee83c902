"""Code packages of runtimes: unpacked from the embedded S3, and started by a Python interpreter of this machine.

AgentCore runs the package's own dependencies, which are built for arm64. Here they come from the interpreter's environment, `.venv-agent`
by default, and the package supplies only what the environment lacks: the agent's own modules. So the processor architecture does not matter.
"""

from __future__ import annotations

import io
import os
import uuid
import zipfile
from pathlib import Path
from typing import Any, Final

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.exceptions import S3ClientError
from moto.s3.models import s3_backends
from moto.sts.models import sts_backends
from moto.utilities.utils import get_partition

from localcloud.aws.settings import current

PORT: Final = "LOCALCLOUD_AGENT_PORT"
"""Variable with the port of a session: AgentCore connects to port 8080, which a machine has only once."""
_INSTRUMENTED: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_ROLE_SECONDS: Final = 8 * 3600
"""Longest life of a session (botocore 1.44.5, bedrock-agentcore-control LifecycleConfiguration); keys of the embedded AWS do not expire."""
_UNTRACED: Final = {"AGENT_OBSERVABILITY_ENABLED": "false", "OTEL_SDK_DISABLED": "true", "MLFLOW_TRACKING_URI": ""}
"""Without an address of their own, spans, metrics and MLflow's traces would go to AWS."""
_RUNNER: Final = """
import os, runpy, signal, socket, sys, threading
server = os.dup(0)  # the embedded AWS holds the other end and writes nothing: it ends when that process does, however it does
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
def end_with_the_server():
    os.read(server, 1)
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=end_with_the_server, daemon=True).start()
file = os.path.abspath(sys.argv[1])
sys.argv = sys.argv[1:]
sys.path[:] = [entry for entry in sys.path if entry] + [os.path.dirname(file)]  # packages of this machine come first
bind = socket.socket.bind
def bind_here(self, address):
    if isinstance(address, tuple) and address[1] == 8080:
        address = ("127.0.0.1", int(os.environ["LOCALCLOUD_AGENT_PORT"]), *address[2:])
    return bind(self, address)
socket.socket.bind = bind_here
runpy.run_path(file, run_name="__main__")
"""


class PackageError(Exception):
    """A package that cannot be run; the message is for the log of the runtime."""


def find(account: str, region: str, properties: dict[str, Any]) -> bytes:
    """Return the zip file of a runtime's code.

    Raises:
        PackageError: The runtime has a container image, or there is no such object.
    """
    code = properties["AgentRuntimeArtifact"].get("CodeConfiguration")
    if code is None:
        raise PackageError("the embedded AWS runs code packages, not container images; deploy the agent as code")
    location = code["Code"]["S3"]
    where = f"s3://{location['Bucket']}/{location['Prefix']}"
    try:
        stored = s3_backends[account][get_partition(region)].get_object(
            location["Bucket"], location["Prefix"], version_id=location.get("VersionId")
        )
    except S3ClientError as error:
        raise PackageError(f"could not find code at {where}: {error.message}") from error
    if stored is None:
        raise PackageError(f"could not find code at {where}")
    return bytes(stored.value)


def unpack(archive: bytes, folder: Path) -> None:
    """Unpack a package into a new folder.

    Raises:
        PackageError: The object is not a zip file.
    """
    folder.mkdir(parents=True)
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as packed:
            packed.extractall(folder)
    except zipfile.BadZipFile as error:
        raise PackageError(f"the code is not a zip file: {error}") from error


def command(properties: dict[str, Any], folder: Path) -> list[str]:
    """Command that starts a runtime's entry point; ADOT's wrapper is kept only if spans have a destination.

    Raises:
        PackageError: There is no Python for agents, or the package lacks its entry point.
    """
    python = Path(current().agent_python)
    if not python.is_file():
        raise PackageError(f"{python} is missing; install it with `make agent-tools`")
    *wrappers, entry = properties["AgentRuntimeArtifact"]["CodeConfiguration"]["EntryPoint"]
    if not (folder / entry).is_file():
        raise PackageError(f"the package has no {entry}")
    wrapper = [str(python.with_name(name)) for name in wrappers] if _is_traced(properties) else []
    return [*wrapper, str(python), "-c", _RUNNER, entry]


def environment(region: str, properties: dict[str, Any], *, port: int) -> dict[str, str]:
    """Variables of a session, in addition to those of every process here."""
    contract = {
        PORT: str(port),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        **_credentials_of(properties["RoleArn"], region),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_ENDPOINT_URL": current().base_url,
        "AWS_ENDPOINT_URL_S3": current().base_url,
    }
    own = {name: str(value) for name, value in properties.get("EnvironmentVariables", {}).items()}
    return contract | own | ({} if _is_traced(properties) else _UNTRACED)


def _credentials_of(role_arn: str, region: str) -> dict[str, str]:
    """Credentials of a session: those of the runtime's role, by which a gateway's policies recognise it."""
    role = sts_backends[DEFAULT_ACCOUNT_ID][get_partition(region)].assume_role(
        region_name=region,
        role_session_name=f"agent-{uuid.uuid4().hex[:8]}",
        role_arn=role_arn,
        policy="",
        duration=_ROLE_SECONDS,
        external_id="",
    )
    return {
        "AWS_ACCESS_KEY_ID": role.access_key_id,
        "AWS_SECRET_ACCESS_KEY": role.secret_access_key,
        "AWS_SESSION_TOKEN": role.session_token,
    }


def _is_traced(properties: dict[str, Any]) -> bool:
    return any(name in properties.get("EnvironmentVariables", {}) for name in _INSTRUMENTED)
