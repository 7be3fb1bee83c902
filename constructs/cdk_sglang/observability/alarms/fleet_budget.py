"""Alarm on the hourly cost of a whole fleet, compared with its budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk
from constructs import Construct

from cdk_sglang.metrics.figures import PricedType
from cdk_sglang.metrics.figures.cost import usd_per_hour_query
from cdk_sglang.metrics.promql import Place
from cdk_sglang.metrics.series import ENDPOINT
from cdk_sglang.observability.alarms.catalogue import COST_OVER_BUDGET, runbook
from cdk_sglang.observability.alarms.queries import QUERY_LENGTH, above
from cdk_sglang.observability.dashboards.values import priced_types
from cdk_sglang.serving.alarms.actions import add_actions, topic_arns
from cdk_sglang.serving.alarms.alarms import acknowledge_no_action
from cdk_sglang.spec.alarms import NoAlarms

if TYPE_CHECKING:
    from cdk_sglang.observability.observed import ObservedEndpoint
    from cdk_sglang.serving.alarms.choice import Alarms

_MINUTE: Final = 60
_EVALUATION_SECONDS: Final = 60


def fleet_cost_query(endpoints: Sequence[ObservedEndpoint]) -> str:
    """Return PromQL for the hourly cost of the instances of several endpoints; empty if it cannot be computed.

    That is the case if an instance type has no known price, or if there are so many endpoints that CloudWatch does not accept the query.

    Args:
        endpoints: The endpoints.
    """
    types: dict[str, PricedType] = {}
    for endpoint in endpoints:
        priced = priced_types(endpoint)
        if not priced:
            return ""
        types |= {one.instance: one for one in priced}
    place = Place(patterns={ENDPOINT: "|".join(sorted(endpoint.endpoint_name for endpoint in endpoints))})
    query = usd_per_hour_query(place, [types[name] for name in sorted(types)])
    return query if len(query) < QUERY_LENGTH - len(above("", 0)) - len("1000000000") else ""


def fleet_budget_properties(query: str, budget_usd_per_hour: float) -> Mapping[str, Any]:
    """Return the properties of AWS::CloudWatch::Alarm for an alarm on a fleet's cost.

    An idle fleet publishes nothing, and a series that a query does not return counts as OK.

    Args:
        query: PromQL for the hourly cost of the fleet.
        budget_usd_per_hour: Maximum cost in US dollars per hour.
    """
    kind = COST_OVER_BUDGET
    return {
        "EvaluationCriteria": {
            "PromQLCriteria": {
                "Query": above(query, budget_usd_per_hour),
                "PendingPeriod": kind.pending_minutes * _MINUTE,
                "RecoveryPeriod": kind.recovery_minutes * _MINUTE,
            }
        },
        "EvaluationInterval": _EVALUATION_SECONDS,
    }


class FleetBudgetAlarm(Construct):
    """An alarm that compares the hourly cost of a fleet's instances, at dated on-demand prices, with its budget.

    Without OTel enrichment no alarm is created, since instances are counted by their GPUs' metrics; synth then prints a note.

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
        name: Name of the fleet.
        endpoints: Its endpoints.
        budget_usd_per_hour: Maximum cost of the fleet in US dollars per hour.
        alarms: Recipients of the alarm, or the reason why there are none.
        enrichment: Whether the account has OTel enrichment, by which CloudWatch answers PromQL.
        runbooks_url: Folder or address of the runbook pages.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        endpoints: Sequence[ObservedEndpoint],
        budget_usd_per_hour: float,
        alarms: Alarms | NoAlarms,
        enrichment: bool,
        runbooks_url: str,
    ) -> None:
        super().__init__(scope, construct_id)
        query = fleet_cost_query(endpoints) if enrichment else ""
        if not query:
            cdk.Annotations.of(self).add_info(_unwatched(name, budget_usd_per_hour, enrichment=enrichment))
            return
        kind, topics = COST_OVER_BUDGET, topic_arns(alarms)
        text = f"fleet {name} (budget {budget_usd_per_hour:g} USD per hour): {kind.meaning}"
        alarm = cdk.CfnResource(
            self,
            "CostOverBudget",
            type="AWS::CloudWatch::Alarm",
            properties={
                "AlarmDescription": f"{text}. To do: {kind.action}. Runbook: {runbook(kind, runbooks_url)}",
                **fleet_budget_properties(query, budget_usd_per_hour),
                **({"AlarmActions": topics, "OKActions": topics} if topics else {}),
            },
        )
        add_actions(alarm, alarms)
        if isinstance(alarms, NoAlarms):
            acknowledge_no_action(alarm, alarms)


def _unwatched(name: str, budget: float, *, enrichment: bool) -> str:
    begin = f"nobody watches whether {name} stays within its budget of {budget:g} US dollars per hour once it runs"
    if not enrichment:
        return (
            f"{begin}: instances are counted by their GPUs' metrics, which are read with PromQL and need OTel enrichment of the account; set "
            "observability.enrichment to enable or enabled. Synth holds the budget against the fleet at its largest in any case"
        )
    return (
        f"{begin}: an instance type has no known price (cdk-sglang prices), or the endpoints are too many for one query"
    )
