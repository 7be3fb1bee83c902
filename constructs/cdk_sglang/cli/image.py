"""`cdk-sglang image`: look up the digest of the serving image's base, so that the base cannot change.

The command is for authors of settings, since synth uses no network: the digest goes into the settings, and from there into the build.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import typer

from cdk_sglang.cli.output import stdout
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.spec.container_base import UPSTREAM_TAG
from cdk_sglang.spec.image_facts import SglangDlc

app = typer.Typer(help="The serving image's base.", no_args_is_help=True)

_DOCKER_HUB: Final = "registry-1.docker.io"
_MANIFESTS: Final = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_CHALLENGE: Final = re.compile(r'(\w+)="([^"]*)"')
_TIMEOUT_S: Final = 30
_UNAUTHORIZED, _NOT_FOUND = 401, 404


class NoImageError(ConfigurationError):
    """A registry does not have an image, or does not offer it publicly."""


@app.callback()
def _group() -> None:
    """Keep `pin` a command of its own."""


@app.command("pin")
def pin(
    base: Annotated[
        Literal["upstream", "dlc"], typer.Option("--base", help="The base, as in image.build.base.")
    ] = "upstream",
    region: Annotated[str, typer.Option("--region", help="Region of AWS's registry, with --base dlc.")] = "us-east-1",
    registry_url: Annotated[
        str | None,
        typer.Option("--registry-url", help="Address of a mirror with Docker Hub's API, with --base upstream."),
    ] = None,
) -> None:
    """Print the current digest of the base's tag, and the settings that pin it."""
    if base == "dlc":
        reference = f"sglang:{SglangDlc.V0_5_17_UBUNTU.value}"
        digest = _of_aws(reference, region)
    else:
        reference = UPSTREAM_TAG
        digest = look_up(reference, registry_url=registry_url)
    stdout().print(f"{reference} is {digest}", soft_wrap=True)
    stdout().print(f'image: {{build: {{base: {base}, digest: "{digest}"}}}}', soft_wrap=True)
    if base == "dlc":
        stdout().print(
            f'or, as it is: image: {{dlc: {reference.partition(":")[2]}, digest: "{digest}"}}', soft_wrap=True
        )


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Message
    body: bytes


def look_up(reference: str, *, registry_url: str | None = None) -> str:
    """Return the digest of "name:tag" in Docker Hub, or of "registry/name:tag" elsewhere (OCI distribution specification, 1.1).

    Args:
        reference: The image; with "@" and a digest at the end, that digest is looked up, whatever the tag points to now.
        registry_url: Address of another registry to use instead.

    Raises:
        NoImageError: The registry does not have the image.
        ConfigurationError: The registry cannot be reached.
    """
    tagged, _, pinned = reference.partition("@")
    name, _, tag = tagged.rpartition(":")
    first, _, rest = name.partition("/")
    host, name = (first, rest) if "." in first or ":" in first else (_DOCKER_HUB, name)
    url = f"{registry_url or f'https://{host}'}/v2/{name}/manifests/{pinned or tag}"
    answer = _ask("HEAD", url, {"Accept": _MANIFESTS})
    if answer.status == _UNAUTHORIZED:  # public images need an anonymous token, too
        token = _token(answer.headers.get("WWW-Authenticate", ""), url)
        answer = _ask("HEAD", url, {"Accept": _MANIFESTS, "Authorization": f"Bearer {token}"})
    digest = answer.headers.get("Docker-Content-Digest", "")
    if answer.status in {_UNAUTHORIZED, _NOT_FOUND}:
        raise NoImageError([Problem(reference, f"{host} has no such public image (HTTP {answer.status})")])
    if answer.status != HTTPStatus.OK or not _DIGEST.fullmatch(digest):
        raise ConfigurationError(
            [Problem(reference, f"{url} answered {answer.status} without a digest; try again later")]
        )
    return digest


def _token(challenge: str, url: str) -> str:
    fields = dict(_CHALLENGE.findall(challenge))
    realm = fields.pop("realm", "")
    if not challenge.lower().startswith("bearer ") or not realm.startswith(("https://", "http://127.0.0.1")):
        raise ConfigurationError([Problem("", f"{url} requires a sign-in; give a registry with anonymous access")])
    query = urllib.parse.urlencode({key: value for key, value in fields.items() if key in {"service", "scope"}})
    answer = _ask("GET", f"{realm}?{query}", {})
    try:
        content: dict[str, Any] = json.loads(answer.body)
        return str(content.get("token") or content["access_token"])
    except (ValueError, LookupError) as error:
        raise ConfigurationError(
            [Problem("", f"{realm} answered {answer.status} without a token; try again later")]
        ) from error


def _ask(method: str, url: str, headers: dict[str, str]) -> _Answer:
    request = urllib.request.Request(url, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            return _Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return _Answer(error.code, error.headers, error.read())
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise ConfigurationError(
            [Problem("", f"{urllib.parse.urlsplit(url).netloc} cannot be reached: {reason}")]
        ) from error


def _of_aws(reference: str, region: str) -> str:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise ConfigurationError(
            [Problem("", "boto3 is not installed; run pip install 'cdk-sglang[client]'")]
        ) from None
    from aws_cdk import region_info

    account = region_info.RegionInfo.get(region).dlc_repository_account
    if account is None:
        raise ConfigurationError(
            [Problem("--region", f"AWS publishes no deep learning containers in {region}; name another")]
        )
    name, _, tag = reference.partition(":")
    ecr = boto3.client("ecr", region_name=region)
    try:  # the operation of a pull: AWS allows other accounts nothing else
        response = ecr.batch_get_image(registryId=account, repositoryName=name, imageIds=[{"imageTag": tag}])
    except (BotoCoreError, ClientError) as error:
        raise ConfigurationError([Problem(reference, f"AWS's registry {account} in {region} says: {error}")]) from error
    images = response["images"]
    if not images:
        raise ConfigurationError([Problem(reference, f"AWS's registry {account} in {region} has no such image")])
    return str(images[0]["imageId"]["imageDigest"])
