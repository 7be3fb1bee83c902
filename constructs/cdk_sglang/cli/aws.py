"""AWS calls of the commands: boto3 as an optional dependency, and every failure as one line with an exit code.

Exit code 1: AWS refuses, or cannot be reached. Exit code 2: there are no valid credentials, or the request is wrong.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import typer

from cdk_sglang.errors import ConfigurationError, Problem

_LOCAL_CREDENTIALS: Final = Path(".local/state/credentials.sh")
"""Where `make local` writes the address and credentials of the embedded AWS while that runs."""
NOT_SIGNED_IN: Final = {
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "TokenRetrievalError",
    "UnauthorizedSSOTokenError",
    "SSOTokenLoadError",
    "LoginRefreshRequired",
}
"""Names of botocore's exceptions for missing credentials."""
EXPIRED: Final = {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
"""Error codes for credentials that are no longer valid."""
_SKEWED: Final = {"RequestTimeTooSkewed", "RequestExpired"}
_SKEWED_WORDS: Final = ("Signature expired", "Signature not yet current")
"""Beginning of the message with which AWS refuses a signature whose time differs by more than 5 minutes from its own
(https://repost.aws/knowledge-center/lambda-sdk-signature, read 2026-12)."""
THROTTLED: Final = {"ThrottlingException", "Throttling", "TooManyRequestsException"}
"""Error codes for too many requests."""


READ_ONLY: Final[ContextVar[bool]] = ContextVar("cdk_sglang_read_only", default=False)
"""Whether clients created now refuse every operation that is not read-only."""
_READING: Final = ("Describe", "Get", "List", "Search")
"""First word of operations that change nothing, in the services that commands read."""
_one_at_a_time: Final = threading.Lock()
"""boto3's default session can create only one client at a time
(https://boto3.amazonaws.com/v1/documentation/api/latest/guide/clients.html#multithreading-or-multiprocessing-with-clients, read 2026-11)."""


class FailedError(typer.Exit):
    """The end of a command whose single line is already on stderr.

    Args:
        text: The line.
        code: Exit code.
    """

    def __init__(self, text: str, *, code: int) -> None:
        super().__init__(code)
        self.text = text


def fail(text: str, *, code: int) -> NoReturn:
    """Print one line on stderr and end the command."""
    line = " ".join(text.split())
    typer.echo(line, err=True)
    raise FailedError(line, code=code)


def client(
    service: str,
    *,
    region: str | None,
    attempts: int = 6,
    read_timeout_s: int = 60,
    profile: str | None = None,
    session: Any = None,
) -> Any:
    """Return a client of boto3, which is an optional dependency.

    Args:
        service: Name of the service, for example `sagemaker`.
        region: Region; that of the profile or of AWS_REGION by default.
        attempts: Attempts per request in all; 1 for requests that must not be repeated.
        read_timeout_s: Seconds to wait for data from AWS.
        profile: Profile of the AWS settings; that of AWS_PROFILE, or the default one, by default.
        session: Session of boto3 that has the credentials; one of the profile by default.

    Raises:
        ConfigurationError: boto3 is not installed.
    """
    return _made("client", service, region, attempts, read_timeout_s=read_timeout_s, profile=profile, session=session)


def resource(service: str, *, region: str | None) -> Any:
    """Return a resource of boto3, whose tables and buckets need no explicit types; otherwise as `client`."""
    return _made("resource", service, region, 6)


def _made(
    kind: str,
    service: str,
    region: str | None,
    attempts: int,
    *,
    read_timeout_s: int = 60,
    profile: str | None = None,
    session: Any = None,
) -> Any:
    try:
        boto3, config = importlib.import_module("boto3"), importlib.import_module("botocore.config")
    except ImportError:
        raise ConfigurationError(
            [
                Problem(
                    "",
                    "boto3 is not installed, and this command calls AWS; install it with: pip install 'cdk-sglang[client]'",
                )
            ]
        ) from None
    retries = {"total_max_attempts": attempts, "mode": "standard"}
    with failures_of(service), _one_at_a_time:
        if session is None:
            session = boto3 if profile is None else boto3.Session(profile_name=profile)
        handle = getattr(session, kind)(
            service,
            region_name=region or os.environ.get("AWS_REGION"),  # which the CDK CLI reads, and boto3 does not
            config=config.Config(retries=retries, connect_timeout=10, read_timeout=read_timeout_s),
        )
    if READ_ONLY.get():
        events = handle.meta.events if kind == "client" else handle.meta.client.meta.events
        events.register("before-parameter-build", _refuse_changes)
    return handle


def _refuse_changes(model: Any, **_: object) -> None:
    """Refuse an operation before its request is built.

    Raises:
        ConfigurationError: It is not read-only.
    """
    name = str(model.name)
    if not name.startswith(_READING):
        text = f"{name} changes an account, and this program only reads; use the command of cdk-sglang that does it"
        raise ConfigurationError([Problem("aws", text)])


@contextmanager
def reading_only() -> Iterator[None]:
    """Make clients that are created in this context refuse, for as long as they exist, every operation that is not read-only."""
    before = READ_ONLY.set(True)
    try:
        yield
    finally:
        READ_ONLY.reset(before)


@contextmanager
def failures_of(what: str) -> Iterator[None]:
    """Turn any failure of a call to AWS into one line and an exit code.

    Args:
        what: The call, for example `sagemaker:ListTrainingPlans`.
    """
    exceptions, parsers = (importlib.import_module(f"botocore.{name}") for name in ("exceptions", "parsers"))
    try:
        yield
    except (exceptions.ClientError, exceptions.BotoCoreError, parsers.ResponseParserError) as error:
        reason = reason_of(what, error)
        fail(reason.text, code=reason.code)


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a call to AWS failed.

    Attributes:
        text: One sentence with the next step.
        code: Exit code of a command that it ends.
        signed_out: Whether there are no credentials, or they are no longer valid.
    """

    text: str
    code: int
    signed_out: bool = False


def sign_in() -> str:
    """Return the next step of a user without credentials; that of the embedded AWS too, if one runs in this folder."""
    local = f"; for `make local`: source {_LOCAL_CREDENTIALS}" if _LOCAL_CREDENTIALS.is_file() else ""
    return f"sign in with `aws login` or `aws sso login`, or set AWS_PROFILE{local}"


def reason_of(what: str, error: Exception) -> Reason:
    """Return why a call failed.

    Args:
        what: The call, for example `sagemaker:ListTrainingPlans`.
        error: botocore's exception.
    """
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return _refused(what, response.get("Error", {}))
    kind = type(error).__name__
    if kind in NOT_SIGNED_IN:
        return Reason(text=f"{what}: no usable AWS credentials ({error}); {sign_in()}", code=2, signed_out=True)
    if kind == "NoRegionError":
        return Reason(text=f"{what}: no AWS Region; give --region, or set AWS_REGION", code=2)
    if kind in {"ProfileNotFound", "ParamValidationError", "InvalidRegionError"}:
        return Reason(text=f"{what}: {error}", code=2)
    return Reason(text=f"{what}: AWS was not reached: {error}; check the network and the Region", code=1)


def _refused(what: str, error: dict[str, str]) -> Reason:
    code, message = error.get("Code", "unknown"), error.get("Message", "no reason given")
    if code in EXPIRED:
        text = f"{what}: the AWS credentials are no longer valid ({code}); {sign_in()}"
        return Reason(text=text, code=2, signed_out=True)
    if code in _SKEWED or message.startswith(_SKEWED_WORDS):
        text = f"{what}: the clock of this machine differs too much from that of AWS ({message}); set it, for example with `timedatectl set-ntp true`"
        return Reason(text=text, code=1)
    if code.startswith("AccessDenied"):
        return Reason(text=f"{what}: not allowed ({message}); ask whoever grants permissions for {what}", code=1)
    if code in THROTTLED:
        return Reason(text=f"{what}: AWS throttles the request ({message}); try again in a minute", code=1)
    if code == "ResourceLimitExceeded":
        text = (
            f"{what}: a quota is used up ({message}); the quota 'Number of <type> instances in reserved capacity across training plans' is 0 "
            "until it is raised: https://console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"
        )
        return Reason(text=text, code=1)
    return Reason(text=f"{what}: {code}: {message}", code=2 if code.startswith("Validation") else 1)
