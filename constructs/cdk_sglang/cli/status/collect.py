"""Everything that `cdk-sglang status` reads, as one report."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from cdk_sglang.cli.aws import client, failures_of
from cdk_sglang.cli.status.firing import firing_alarms
from cdk_sglang.cli.status.hosting import read_endpoint
from cdk_sglang.cli.status.measure import ClassicReader, engine_values, promise_of
from cdk_sglang.cli.status.prometheus import NotMeasuredError, PromqlApi
from cdk_sglang.cli.status.report import ComponentStatus, EndpointReport, FiringAlarm, Measured, StatusReport

if TYPE_CHECKING:
    from cdk_sglang.observability.observed import ObservedEndpoint
    from cdk_sglang.observability.observed_fleet import ObservedFleet

T = TypeVar("T")
ENRICHMENT_OFF: Final = "enrichment is off; set observability.enrichment to enable, see docs/status.md"


class StatusReader:
    """Reads an environment, as often as it is asked to.

    Args:
        fleet: The environment as it should be.
        region: AWS Region; the environment's own, else that of the user's AWS settings, by default.

    Raises:
        ConfigurationError: boto3 is not installed.
    """

    def __init__(self, fleet: ObservedFleet, *, region: str | None = None) -> None:
        self._fleet = fleet
        client_region = region or fleet.region
        self._sagemaker = client("sagemaker", region=client_region)
        self._cloudwatch = client("cloudwatch", region=client_region)
        meta = self._cloudwatch.meta
        self._region: str = meta.region_name
        self._promql = PromqlApi(meta.endpoint_url, self._region)

    def read(self) -> StatusReport:
        """Read everything once; a failure of CloudWatch is part of the report, a failure of SageMaker ends the command."""
        now = dt.datetime.now(tz=dt.UTC)
        not_read: list[str] = []
        with failures_of("sagemaker:DescribeEndpoint and its components"):
            endpoints = [self._hosting(observed) for observed in self._fleet.endpoints]
        classic = ClassicReader(self._cloudwatch, now)
        endpoints = [
            self._measured(observed, report, classic, not_read) if report.state != "not deployed" else report
            for observed, report in zip(self._fleet.endpoints, endpoints, strict=True)
        ]
        none: tuple[FiringAlarm, ...] = ()
        alarms = _or_nothing(lambda: firing_alarms(self._cloudwatch, self._fleet), "alarms", none, not_read)
        return StatusReport(
            environment=self._fleet.environment,
            region=self._region,
            at=now,
            endpoints=tuple(endpoints),
            alarms=alarms,
            not_read=tuple(dict.fromkeys(not_read)),
        )

    def _hosting(self, observed: ObservedEndpoint) -> EndpointReport:
        return read_endpoint(
            self._sagemaker,
            observed,
            environment=self._fleet.environment,
            region=self._region,
            prices=self._fleet.prices,
        )

    def _measured(
        self, observed: ObservedEndpoint, report: EndpointReport, classic: ClassicReader, not_read: list[str]
    ) -> EndpointReport:
        nothing: Mapping[str, Mapping[str, float]] = {}
        values = _or_nothing(lambda: classic.measured(observed), "metrics", nothing, not_read)
        no_budgets: Mapping[str, float] = {}
        budgets = _or_nothing(lambda: classic.budgets(observed), "error budgets", no_budgets, not_read)
        engine, reason = self._engine(report)
        days = {one.component_name: promise.days for one in observed.components if (promise := promise_of(one))}

        def filled(component: ComponentStatus) -> ComponentStatus:
            name = component.component_name
            return dataclasses.replace(
                component,
                measured=Measured(**{**values.get(name, {}), **engine.get(name, {})}),
                error_budget_left=budgets.get(name),
                error_budget_days=days.get(name),
            )

        return dataclasses.replace(report, components=tuple(map(filled, report.components)), not_measured=reason)

    def _engine(self, report: EndpointReport) -> tuple[Mapping[str, Mapping[str, float]], str]:
        """Return the engine's figures by component, and why there are none."""
        if not any(component.copies_running for component in report.components):
            return {}, ""  # nothing runs that could be measured
        try:
            return engine_values(self._promql, report.endpoint_name), ""
        except NotMeasuredError as error:
            known = self._fleet.enrichment
            return {}, f"{error}" if known else ENRICHMENT_OFF


def _or_nothing(read: Callable[[], T], what: str, nothing: T, not_read: list[str]) -> T:
    try:
        return read()
    except ClientError as error:
        details: dict[str, Any] = dict(error.response.get("Error", {}))
        not_read.append(f"{what}: {details.get('Code', 'refused')}: {details.get('Message', 'no reason given')}")
    except BotoCoreError as error:
        not_read.append(f"{what}: CloudWatch was not reached ({type(error).__name__})")
    return nothing
