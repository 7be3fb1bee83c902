"""AgentCore's resources, with the properties that CloudFormation gave them."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from typing import Any, Protocol

from localcloud.aws.clock import clock

_ALPHABET = string.ascii_letters + string.digits
DEFAULT = "DEFAULT"
"""Endpoint that every runtime has, and that follows its newest version."""


@dataclass(kw_only=True)
class Record:
    """One resource.

    Attributes:
        id: Identifier: the name with ten random characters, as AgentCore makes it.
        arn: ARN of the resource.
        properties: Properties of the resource, in CloudFormation's spelling.
        created: Seconds on the clock; `updated` the same.
    """

    id: str
    arn: str
    properties: dict[str, Any]
    created: float = field(default_factory=lambda: clock().now())
    updated: float = field(default_factory=lambda: clock().now())

    def change(self, properties: dict[str, Any]) -> None:
        """Set new properties."""
        self.properties = properties
        self.updated = clock().now()


@dataclass(kw_only=True)
class RuntimeEndpoint(Record):
    """A name that resolves to one version of a runtime.

    Attributes:
        name: Name of the endpoint, which callers give as the qualifier.
        version: Version that answers.
    """

    name: str
    version: int


@dataclass(kw_only=True)
class Runtime(Record):
    """A runtime and its versions.

    Attributes:
        versions: Properties of each version, from 1.
        endpoints: Endpoints by name, in addition to DEFAULT.
    """

    versions: list[dict[str, Any]] = field(default_factory=list)
    endpoints: dict[str, RuntimeEndpoint] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the runtime."""
        return str(self.properties["AgentRuntimeName"])

    @property
    def version(self) -> int:
        """Newest version."""
        return len(self.versions)

    def change(self, properties: dict[str, Any]) -> None:
        """Set new properties as the next version."""
        super().change(properties)
        self.versions.append(properties)


@dataclass(kw_only=True)
class Gateway(Record):
    """A gateway and its targets.

    Attributes:
        url: Address of the gateway's MCP server.
        targets: Targets by id.
    """

    url: str
    targets: dict[str, Record] = field(default_factory=dict)


@dataclass(kw_only=True)
class PolicyEngine(Record):
    """A policy engine.

    Attributes:
        policies: Policies by id.
    """

    policies: dict[str, Record] = field(default_factory=dict)


class Session(Protocol):
    """One session of a runtime.

    Attributes:
        key: Id of the runtime, and of the session.
        outstanding: Requests in flight.
        port: Port of the process; 0 before there is one.
    """

    key: tuple[str, str]
    outstanding: int
    port: int

    @property
    def alive(self) -> bool:
        """Whether the session has a process, or does not need one yet."""

    @property
    def pid(self) -> int | None:
        """Process id; None without a process."""

    def settle(self) -> None:
        """Wait a moment for a process that is ending."""

    def ensure(self) -> None:
        """Start the process unless it runs, and wait until it listens."""

    def expired(self) -> bool:
        """Whether the session has to end."""

    def touch(self) -> None:
        """Start counting idle time."""

    def stop(self) -> None:
        """End the process, and delete its folder."""


def identifier(name: str, *, alphabet: str = _ALPHABET) -> str:
    """Name with ten random characters."""
    return f"{name}-{random(alphabet=alphabet)}"


def random(*, alphabet: str = _ALPHABET) -> str:
    """Ten random characters."""
    return "".join(secrets.choice(alphabet) for _ in range(10))
