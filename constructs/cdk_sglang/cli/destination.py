"""Where `ask` and `chat` send their messages: an environment's component, a component by SageMaker's names, or a route."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cdk_sglang.cli.aws import client, fail, failures_of
from cdk_sglang.cli.environment_option import environments_folder
from cdk_sglang.cli.region import region_of
from cdk_sglang.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from cdk_sglang.client import InferenceClient, Route

_SHOWN: Final = 8


@dataclass(frozen=True, kw_only=True)
class Place:
    """A destination as a command's options name it.

    Args:
        command: The command, for messages.
        env: Environment; its only component, or that of `component`.
        endpoint: SageMaker's name of an endpoint.
        component: SageMaker's name of a component or adapter; with `env`, <endpoint>/<component> as in its file, too.
        route: <environment>/<route>.
        region: Region that the user gave.
        anywhere: Whether no options at all mean the only component of the account and Region.
    """

    command: str
    env: str | None
    endpoint: str | None
    component: str | None
    route: str | None
    region: str | None
    anywhere: bool = False

    @property
    def used_region(self) -> str | None:
        """The Region: the user's, else that of the environment's file, else AWS_REGION, else None for that of the AWS settings."""
        environment = self.env or (self.route or "").partition("/")[0] or None
        return region_of(environment, self.region) or os.environ.get("AWS_REGION")  # which boto3 does not read

    def problems(self) -> list[Problem]:
        """Return what is wrong with the combination of options; an empty list if nothing is."""
        environment, _, name = (self.route or "").partition("/")
        ways = [self.env is not None, self.route is not None, self.endpoint is not None]
        if self.anywhere and not any(ways) and self.component is None:
            return []
        if sum(ways) != 1 or (self.route is not None and (self.component or not (environment and name))):
            text = "give --env, --endpoint and --component, or --route <environment>/<route>; one of them"
            return [Problem(self.command, text)]
        if self.endpoint is not None and not self.component:
            return [Problem(self.command, "--endpoint and --component go together; give both")]
        return []


@contextmanager
def opened(place: Place, *, wait_seconds: float) -> Iterator[InferenceClient]:
    """Yield a client of a place that waits for a copy, with its progress on the terminal.

    Args:
        place: The place.
        wait_seconds: Seconds for which a request waits.

    Raises:
        ConfigurationError: The options are wrong, there is no such component, or boto3 is not installed.
        typer.Exit: There is no such route, or AWS refuses; the reason is printed.
    """
    problems = place.problems()
    if problems:
        raise ConfigurationError(problems)
    try:
        from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

        from cdk_sglang.client import InferenceClient, InferenceClientError, ProgressLine, Wait
    except ModuleNotFoundError as error:
        text = f"needs {error.name}; pip install 'cdk-sglang[client]'"
        raise ConfigurationError([Problem(place.command, text)]) from None
    try:
        found = InferenceClient(
            route=_route(place),
            region=place.used_region,
            wait=Wait(up_to_seconds=wait_seconds),
            on_progress=ProgressLine(),
        )
    except NoRegionError:
        fail(f"{place.command}: no AWS Region; give --region, or set AWS_REGION", code=1)
    except (InferenceClientError, ClientError, BotoCoreError) as error:
        fail(f"{place.command}: {error}", code=1)
    with found:
        yield found


def _route(place: Place) -> Route:
    from cdk_sglang.client import Route

    if place.route is not None:
        environment, _, name = place.route.partition("/")
        return Route.load(environment, name, region=place.used_region)
    if place.endpoint is not None:
        assert place.component is not None
        return Route.to(place.endpoint, place.component)
    return Route.to(*deployed(place))


def deployed(place: Place) -> tuple[str, str]:
    """Return endpoint and component of an environment, or of the account: the named one, or the only one.

    Adapters are components to SageMaker: they are found by their names, and are never the only one where the environment's file is here.

    Args:
        place: The place, with `env` or nothing.

    Raises:
        ConfigurationError: There is no such component, or several.
        typer.Exit: AWS refuses; the reason is printed.
    """
    sagemaker = client("sagemaker", region=place.used_region)
    prefix = "" if place.env is None else f"{place.env}-"
    with failures_of("sagemaker:ListInferenceComponents"):
        pages = sagemaker.get_paginator("list_inference_components").paginate(
            **({"NameContains": prefix} if prefix else {})
        )
        items = [item for page in pages for item in page["InferenceComponents"]]
    found = sorted((item["EndpointName"], item["InferenceComponentName"]) for item in items)
    found = [pair for pair in found if pair[0].startswith(prefix)]
    if place.component is not None:
        names = {place.component, prefix + place.component.replace("/", "-")}
        chosen = [pair for pair in found if pair[1] in names]
    else:
        own = set() if place.env is None else _names(place.env)
        chosen = [pair for pair in found if pair[1] in own] or found
    if len(chosen) == 1:
        return chosen[0]
    raise ConfigurationError([Problem(place.command, _none_chosen(place, chosen or found, sagemaker.meta.region_name))])


def _none_chosen(place: Place, found: list[tuple[str, str]], region: str) -> str:
    names = ", ".join(name for _, name in found[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")
    where = region if place.env is None else f"{place.env} in {region}"
    if not found:
        return f"{where}: no component is deployed; deploy it, or give another --region or other credentials"
    if place.component is not None:
        return f"{where}: {place.component!r} is not deployed; give --component, one of {names}"
    if place.env is None:
        return f"{where}: {len(found)} components are deployed; give --endpoint and --component, of {names}"
    return f"{where}: {len(found)} components are deployed; give --component, one of {names}"


def _names(env: str) -> set[str]:
    """SageMaker's names of the components in an environment's file; empty without a file that can be read."""
    import yaml

    try:
        content = yaml.safe_load((environments_folder() / f"{env}.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return set()
    endpoints = content.get("endpoints") if isinstance(content, dict) else None
    return {
        f"{env}-{name}-{component}"
        for name, endpoint in (endpoints.items() if isinstance(endpoints, dict) else ())
        if isinstance(endpoint, dict) and isinstance(components := endpoint.get("components"), dict)
        for component in components
    }
