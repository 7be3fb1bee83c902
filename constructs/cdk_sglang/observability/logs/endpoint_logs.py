"""The logs of an endpoint: failures of the engine as metrics, and saved queries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.observability.constructs import observed_construct
from cdk_sglang.observability.logs.failures import EngineFailure, engine_failures, failure_namespace
from cdk_sglang.observability.logs.queries import SAVED_QUERIES
from cdk_sglang.observability.observed import ObservedEndpoint
from cdk_sglang.serving.shared.logs import COMPONENT_LOG_PREFIX, ENDPOINT_LOG_PREFIX

if TYPE_CHECKING:
    from cdk_sglang.serving.endpoint.endpoint import InferenceEndpoint

GROUPS_IN_STACK: Final = 20
"""Log groups whose filters stand in the construct's own stack; those of further components stand in nested stacks."""

GROUPS_IN_NESTED_STACK: Final = 90
"""With a filter for each failure these stay below a stack's 500 resources
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html, read 2026-11)."""

GROUPS_IN_QUERY: Final = 50
"""Log groups that a query may read
(https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html, read 2026-11)."""


class EndpointLogs(Construct):
    """Failures of an endpoint's engines as CloudWatch metrics, and saved queries over its logs.

    The metrics stand in the namespace `cdk-sglang/<endpoint name>`, without dimensions: EngineOutOfMemory, EngineNcclFailure, GpuXid,
    CudaFailure and EngineWatchdog. Each counts log lines of the endpoint and all its components, and is 0 in minutes with other lines.

    The log groups have to exist: `InferenceEndpoint` creates them, so its stack comes first.

    Args:
        scope: Stack of the endpoint's dashboards and alarms, or any other in its account and Region.
        construct_id: Id of the construct.
        endpoint: The endpoint, after its components were added; or what is observed of one (`observed_endpoint`).

    Attributes:
        namespace: CloudWatch namespace of the metrics.

    Raises:
        ConfigurationError: An argument has the wrong type, or the endpoint has no components yet.
    """

    @checked("{construct_id}")
    def __init__(self, scope: Construct, construct_id: str, *, endpoint: InferenceEndpoint | ObservedEndpoint) -> None:
        observed = endpoint if isinstance(endpoint, ObservedEndpoint) else observed_construct(endpoint)
        super().__init__(scope, construct_id)
        self.namespace = failure_namespace(observed.endpoint_name)
        groups = _log_groups(observed)
        names = list(groups)
        self._add_filters(self, {name: groups[name] for name in names[:GROUPS_IN_STACK]})
        for number, part in enumerate(_batches(names[GROUPS_IN_STACK:], GROUPS_IN_NESTED_STACK), start=1):
            self._add_filters(cdk.NestedStack(self, f"Filters{number}"), {name: groups[name] for name in part})
        self._add_queries(observed, list(groups.values()))

    def _add_filters(self, scope: Construct, groups: dict[str, str]) -> None:
        for name, group in groups.items():
            for failure in engine_failures().values():
                self._add_filter(scope, f"{name}{failure.metric}", group, failure)

    def _add_filter(self, scope: Construct, construct_id: str, group: str, failure: EngineFailure) -> None:
        # A plain resource, as there are hundreds: the typed one costs half as much again at synth.
        cdk.CfnResource(
            scope,
            construct_id,
            type="AWS::Logs::MetricFilter",
            properties={
                "FilterPattern": failure.pattern,
                "LogGroupName": group,
                "MetricTransformations": [
                    {
                        "DefaultValue": 0,
                        "MetricName": failure.metric,
                        "MetricNamespace": self.namespace,
                        "MetricValue": "1",
                        "Unit": "Count",
                    }
                ],
            },
        )

    def _add_queries(self, endpoint: ObservedEndpoint, groups: list[str]) -> None:
        batches = list(_batches(groups, GROUPS_IN_QUERY))
        for query in SAVED_QUERIES:
            for number, part in enumerate(batches, start=1):
                suffix = f" ({number} of {len(batches)})" if len(batches) > 1 else ""
                logs.CfnQueryDefinition(
                    self,
                    f"Query {query.title}{suffix}",
                    name=f"cdk-sglang/{endpoint.endpoint_name}/{query.title}{suffix}",
                    query_string=query.text,
                    log_group_names=list(part),
                )


def _log_groups(endpoint: ObservedEndpoint) -> dict[str, str]:
    """Return the log groups of an endpoint and its components, by the id of their filters."""
    return {
        "Endpoint": f"{ENDPOINT_LOG_PREFIX}{endpoint.endpoint_name}",
        **{
            f"Component-{component.name}-": f"{COMPONENT_LOG_PREFIX}{component.component_name}"
            for component in endpoint.components
        },
    }


def _batches(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
