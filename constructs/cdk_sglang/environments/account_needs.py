"""What an environment requires from its account, as plain data. Does not import CDK."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from cdk_sglang.errors import Problem
    from cdk_sglang.planning.fleet_plan import Range
    from cdk_sglang.spec.reservation import Reservation


UNKNOWN_REGISTRY: Final = "unknown"
"""Registry of AWS's containers in a Region that is missing from the package's table of registry accounts."""


DEFAULT_QUALIFIER: Final = "hnb659fds"
"""Qualifier of CDK's default bootstrap (aws-cdk-lib 2.275.0, DefaultStackSynthesizer)."""


@dataclass(frozen=True, kw_only=True)
class EndpointNeeds:
    """What one endpoint needs.

    Attributes:
        name: Short name, such as chat.
        endpoint_name: Name in SageMaker, such as prod-chat.
        stack_name: Name of its stack.
        component_names: Names in SageMaker of its components and their adapters.
        log_groups: Names of the log groups that its stack creates.
        types: Instance types in order of preference; any of them may be used.
        max_instances: Maximum number of on-demand instances over all types; 0 for an endpoint that stays on its reservation.
        reservation: Its training plan; None if there is none.
    """

    name: str
    endpoint_name: str
    stack_name: str
    component_names: tuple[str, ...]
    log_groups: tuple[str, ...]
    types: tuple[str, ...]
    max_instances: int
    reservation: Reservation | None = None


@dataclass(frozen=True, kw_only=True)
class NetworkNeeds:
    """The network that instances join.

    Attributes:
        vpc: Kind of network, as in the environment's `network.vpc`.
        zones: With `create`: its zones; empty for the first two of the Region.
        services: With `create`: short names of the services with interface endpoints, such as sagemaker.runtime.
        subnet_ids: With `existing`: its subnets.
        security_group_ids: With `existing`: its security groups.
    """

    vpc: Literal["create", "existing", "none"]
    zones: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    subnet_ids: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ImageNeeds:
    """An image that must be in its registry, because the endpoint or the build pulls it.

    Attributes:
        name: Requested image, such as `sglang:0.5.17-gpu-…`; used as the name of the check.
        registry: `docker` for Docker Hub, else the account of an ECR registry in the environment's Region, which may be
            `UNKNOWN_REGISTRY`; empty for the environment's own.
        repository: Repository in ECR.
        tag: Tag; not used if there is a digest.
        digest: Digest; None if only the tag is given.
    """

    name: str
    registry: str
    repository: str = ""
    tag: str = ""
    digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class HubNeeds:
    """A model that the first deployment copies from Hugging Face.

    Attributes:
        repository: Repository, such as Qwen/Qwen3-8B.
        revision: Commit.
        token_secret: Secret with a read token; None if there is none.
    """

    repository: str
    revision: str
    token_secret: str | None = None


@dataclass(frozen=True, kw_only=True)
class WeightsNeeds:
    """Files that must be in S3 before an endpoint is deployed.

    Attributes:
        key: Prefix of a model, ending in a slash, or key of an adapter's archive.
        bucket: Bucket; None for the environment's own.
    """

    key: str
    bucket: str | None = None

    @property
    def is_model(self) -> bool:
        """Whether this is the folder of a model rather than the archive of an adapter."""
        return self.key.endswith("/")


@dataclass(frozen=True, kw_only=True)
class AgentNeeds:
    """What the optional agent needs.

    Attributes:
        stack_name: Name of its stack.
        runtime_name: Name of its runtime.
        gateway_name: Name of its gateway; None without tools.
        memory_name: Name of its memory; None if there is none.
        has_policies: Whether its gateway has Cedar policies.
        functions: ARNs of the author's own Lambda functions.
        in_vpc: Whether it runs in the environment's subnets.
        discovery_url: OpenID Connect discovery URL of its callers' identity provider; None for callers with AWS credentials.
    """

    stack_name: str
    runtime_name: str
    gateway_name: str | None = None
    memory_name: str | None = None
    has_policies: bool = False
    functions: tuple[str, ...] = ()
    in_vpc: bool = False
    discovery_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What an environment needs.

    Attributes:
        environment: Name of the environment.
        account: AWS account that its file names; None for the account of the credentials.
        region: AWS Region that its file names; None for the Region of the user's AWS settings.
        planned_region: Region whose prices the plan uses.
        stack_names: Names of all its stacks.
        foundation_stack: Name of the stack that keeps weights, images and keys.
        bucket_parameter: SSM parameter with the name of its weights bucket.
        key_parameter: SSM parameter with the ARN of its key.
        images_repository: Name of its image repository.
        endpoints: Its endpoints.
        network: Its network.
        images: Images that must exist.
        secrets: Names or ARNs of secrets.
        topics: ARNs of SNS topics that the environment does not create.
        hub_models: Models that are copied from Hugging Face.
        weights: Files that must be in S3.
        enrichment: Setting of OTel enrichment.
        enrichment_stack: Name of the stack that turns it on.
        usd_per_hour: US dollars per hour by the plan; None if a price is unknown.
        budget_usd_per_hour: Maximum cost per hour; None if there is no limit.
        problems: All other problems that the plan found.
        qualifier: Qualifier of the CDK bootstrap that its templates are deployed with.
        agent: What its agent needs; None if there is none.
    """

    environment: str
    account: str | None
    region: str | None
    planned_region: str
    stack_names: tuple[str, ...]
    foundation_stack: str
    bucket_parameter: str
    key_parameter: str
    images_repository: str
    endpoints: tuple[EndpointNeeds, ...]
    network: NetworkNeeds
    images: tuple[ImageNeeds, ...] = ()
    secrets: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    hub_models: tuple[HubNeeds, ...] = ()
    weights: tuple[WeightsNeeds, ...] = ()
    enrichment: Literal["none", "enable", "enabled"] = "none"
    enrichment_stack: str = ""
    usd_per_hour: Range | None = None
    budget_usd_per_hour: float | None = None
    problems: tuple[Problem, ...] = ()
    qualifier: str = DEFAULT_QUALIFIER
    agent: AgentNeeds | None = None
