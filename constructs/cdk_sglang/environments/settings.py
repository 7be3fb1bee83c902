"""One environment as typed, frozen values: the content of `environments/<name>.yaml`.

Only types, bounds and allowed values are checked here; checks that need hardware or model facts are elsewhere (stacks/fleet.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, Strict, model_validator

from cdk_sglang.checks import raise_if_any
from cdk_sglang.environments.kinds import (
    AccountId,
    Cidr,
    Region,
    RetentionDays,
    SecurityGroupId,
    SubnetId,
    TagKey,
    TagValue,
    Zone,
    is_zone_id,
)
from cdk_sglang.environments.layers import EXTENDS
from cdk_sglang.environments.settings_agent import agent_problems
from cdk_sglang.environments.settings_alarms import Alarms
from cdk_sglang.environments.settings_base import Settings
from cdk_sglang.environments.settings_bench import workload_problems
from cdk_sglang.environments.settings_places import place_problems
from cdk_sglang.environments.settings_planning import Planning
from cdk_sglang.environments.settings_routes import Destinations, route_problems
from cdk_sglang.errors import Problem
from cdk_sglang.hardware.regions import unknown_region
from cdk_sglang.spec.agent import Agent
from cdk_sglang.spec.endpoint import Endpoint
from cdk_sglang.spec.image import Image
from cdk_sglang.spec.kinds import Count, Name, unique
from cdk_sglang.spec.network import SECURITY_GROUPS, SUBNETS
from cdk_sglang.spec.observability import Observability
from cdk_sglang.spec.workload import Workload

_MAX_TAGS: Final = 46
"""A resource accepts 50 (https://docs.aws.amazon.com/general/latest/gr/aws_tagging.html, read 2026-11); the library uses four of them."""


class Network(Settings):
    """Which network the instances join."""

    vpc: Literal["create", "existing", "none"]
    """`create`: a VPC for the fleet, with two isolated subnets, endpoints for S3 and SageMaker, and flow logs; `existing`:
    existing subnets; `none`: SageMaker's own network."""
    cidr: Cidr | None = None
    """With `create`: its address range, /16 to /24; 10.64.0.0/16 by default."""
    availability_zones: (
        Annotated[tuple[Zone, ...], Strict(False), Count(2, 4, "zones"), AfterValidator(unique)] | None
    ) = None
    """With `create`: two to four zones by name, such as [us-east-1a, us-east-1b], or by id, such as [use1-az4, use1-az6]. A zone name may refer to
    different zones in different accounts; an id does not. By default the first two zones of the Region, whether or not they offer your GPU types;
    name zones that do."""
    subnet_ids: Annotated[tuple[SubnetId, ...], *SUBNETS] | None = None
    """With `existing`: two or more subnets in different Availability Zones, with a route to S3 (a gateway endpoint is free)."""
    security_group_ids: Annotated[tuple[SecurityGroupId, ...], *SECURITY_GROUPS] | None = None
    """With `existing`: one to five security groups; outbound port 443 to S3 is enough."""

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
        belongs = {
            "cidr": "create",
            "availability_zones": "create",
            "subnet_ids": "existing",
            "security_group_ids": "existing",
        }
        problems = []
        for field, vpc in belongs.items():
            is_set = getattr(self, field) is not None
            if is_set and self.vpc != vpc:
                problems.append(Problem(field, f"goes with vpc: {vpc}, got vpc: {self.vpc}; remove it"))
            if not is_set and self.vpc == vpc == "existing":
                problems.append(Problem(field, "missing; vpc: existing needs it"))
        raise_if_any(problems)
        return self


class Data(Settings):
    """Retention of weights, logs and images."""

    on_delete: Literal["retain", "destroy"] = "retain"
    """Whether buckets, keys, repository and logs are kept when their stack is deleted. `destroy` is for throw-away environments."""
    log_retention_days: RetentionDays = 30
    """Days that logs are kept."""


def _or_extends(schema: dict[str, Any]) -> None:
    """Make the required keys optional in the schema of a file that extends another."""
    schema["anyOf"] = [{"required": schema.pop("required")}, {"required": [EXTENDS]}]


class Environment(Settings):
    """One deployable fleet."""

    _is_file = True

    model_config = ConfigDict(json_schema_extra=_or_extends)

    extends: str | None = None
    """Another file in the folder of environments, such as base.yaml, whose settings apply unless this file overrides them: mappings are
    merged key by key, any other value replaces, and null removes a key."""
    account: AccountId | None = None
    """AWS account, 12 digits in quotes; by default the account of the CDK CLI's credentials."""
    region: Region | None = None
    """AWS Region, such as us-east-1; by default the Region that the CDK CLI is configured with."""
    tags: dict[TagKey, TagValue] = Field(default={}, max_length=_MAX_TAGS)
    """Tags on every resource, such as cost-centre."""
    budget_usd_per_hour: float | None = Field(default=None, gt=0, le=1_000_000, strict=False)
    """Maximum cost of the fully scaled-out fleet per hour, at on-demand prices; no limit by default."""
    network: Network
    """Which network the instances join."""
    data: Data = Data()
    """Retention of weights, logs and images."""
    image: Image = Image(dlc="0.5.17-gpu-py312-cu130-ubuntu24.04-sagemaker")
    """The serving container of all endpoints; AWS's own by default."""
    alarms: Alarms = Alarms(topic="create")
    """Who is notified when something is wrong; an SNS topic of the environment's own by default."""
    observability: Observability = Observability()
    """Dashboards and reports of the fleet, and the metrics behind them."""
    endpoints: dict[Name, Endpoint] = Field(min_length=1, json_schema_extra={"additionalProperties": False})
    """The endpoints, by name."""
    routes: dict[Name, Destinations] = Field(default={}, json_schema_extra={"additionalProperties": False})
    """Several components behind one name, in order of preference, such as reasoning: [reserved/qwen, burst/qwen]; `Route.load` in
    cdk_sglang.client reads them."""
    bench: dict[Name, Workload] = Field(default={}, json_schema_extra={"additionalProperties": False})
    """Workloads that `cdk-sglang bench run` sends, by name; they deploy nothing."""
    planning: Planning = Planning()
    """Input of the plan; only the package's calibration by default."""
    agent: Agent = Agent()
    """An agent on Bedrock AgentCore whose model is one of the components; off by default."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        raise_if_any(problem for part in self._parts for problem in part(self))
        return self

    def _extends_problems(self) -> Iterator[Problem]:
        if self.extends is not None:  # `load` has already merged the files and removed the key
            yield Problem(EXTENDS, "is supported only for an environment that is loaded by its name")

    def _region_problems(self) -> Iterator[Problem]:
        if self.region is not None and (unknown := unknown_region(self.region)) is not None:
            yield Problem("region", unknown)

    def _zone_problems(self) -> Iterator[Problem]:
        zones = self.network.availability_zones or ()
        others = [zone for zone in zones if not is_zone_id(zone) and zone[:-1] != self.region]
        if self._known_region is not None and others:
            verb = "is" if len(others) == 1 else "are"
            text = f"{', '.join(others)} {verb} not in region {self.region}; use zones of that Region"
            yield Problem("network.availability_zones", text)
        if len({is_zone_id(zone) for zone in zones}) > 1:
            text = "has names and ids, which may be the same zones; use names or ids"
            yield Problem("network.availability_zones", text)

    def _tag_problems(self) -> Iterator[Problem]:
        first_keys: dict[str, str] = {}
        for key in self.tags:  # IAM's are: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html (read 2026-11)
            if key.lower() in first_keys:
                text = f"differs from {first_keys[key.lower()]!r} only by case, which IAM refuses; keep one"
                yield Problem(f"tags.{key}", text)
            first_keys.setdefault(key.lower(), key)

    def _place_problems(self) -> Iterator[Problem]:
        if self._known_region == self.region:
            yield from place_problems(self.region, self.account, alarms=self.alarms, endpoints=self.endpoints)

    def _route_problems(self) -> Iterator[Problem]:
        yield from route_problems(self.routes, {name: endpoint.components for name, endpoint in self.endpoints.items()})

    def _workload_problems(self) -> Iterator[Problem]:
        yield from workload_problems(self.bench, self.endpoints)

    def _agent_problems(self) -> Iterator[Problem]:
        yield from agent_problems(
            self.agent, self.endpoints, vpc=self.network.vpc, account=self.account, region=self._known_region
        )

    @property
    def _known_region(self) -> str | None:
        """The Region; None if no Region has that name, which is reported only once."""
        return None if self.region is None or unknown_region(self.region) else self.region

    _parts: ClassVar[tuple[Callable[[Environment], Iterator[Problem]], ...]] = (
        _extends_problems, _region_problems, _zone_problems, _tag_problems, _place_problems, _route_problems, _workload_problems,
        _agent_problems,
    )  # fmt: skip
    """Checks across fields, each made only if its fields are valid."""
