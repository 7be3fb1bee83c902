"""What the page shows: the sources that are read from AWS, and their last values as one snapshot."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from cdk_sglang.cli.console.alarms import AlarmReader
from cdk_sglang.cli.console.beside import beside_plan, read_engine
from cdk_sglang.cli.console.events import read_events
from cdk_sglang.cli.console.fleet import endpoint_content, unread_endpoint
from cdk_sglang.cli.console.gpus import read_gpus
from cdk_sglang.cli.console.poller import Poller, Source
from cdk_sglang.cli.console.scaling import read_bounds, read_decisions
from cdk_sglang.cli.console.traffic import read_traffic
from cdk_sglang.cli.status.hosting import read_endpoint

if TYPE_CHECKING:
    from cdk_sglang.cli.console.account import Account, Clients
    from cdk_sglang.cli.status.report import EndpointReport
    from cdk_sglang.observability.observed import ObservedEndpoint
    from cdk_sglang.observability.observed_fleet import ObservedFleet

_HOSTING_S: Final = 10
_SCALING_S: Final = 30
_METRICS_S: Final = 60
"""CloudWatch has a point a minute, and GetMetricData is billed by the metric."""
_FIRST_S: Final = 20.0


class Content:
    """The environment as AWS describes it, read while a page is open.

    Args:
        fleet: The environment as it should be.
        account: The account.
        account_id: Its number; empty if it is not known.
        region: AWS Region.
    """

    def __init__(self, fleet: ObservedFleet, account: Account, *, account_id: str = "", region: str) -> None:
        self._fleet = fleet
        self._account = account
        self._account_id = account_id
        self._region = region
        self._alarms = AlarmReader(fleet)
        self.poller = Poller(self._sources(), account)

    @property
    def choices(self) -> dict[str, Any]:
        """What the page starts with: no actions, and the environment's title."""
        of = f", account {self._account_id}" if self._account_id else ""
        return {"acts": False, "title": f"{self._fleet.environment} in {self._region}{of}"}

    def beat(self) -> dict[str, Any]:
        """Return what is different at every moment."""
        return {"now": dt.datetime.now(tz=dt.UTC).timestamp(), "calls": self._account.calls_last_minute}

    def overview(self) -> dict[str, Any]:
        """Return the first snapshot of a page, with the time; wait for it until AWS has answered or refused."""
        self.poller.look()
        self.poller.wait(_FIRST_S)
        return self.beat() | self.snapshot()

    def snapshot(self) -> dict[str, Any]:
        """Return what was read last; None where nothing was, with the reason in ``problems``. Without the time, so that only news makes a difference."""
        self.poller.look()
        reports = self._reports
        value = self.poller.value
        return {
            "endpoints": [self._endpoint(one) for one in self._fleet.endpoints],
            "traffic": value("traffic"),
            "scaling": value("bounds"),
            "decisions": value("decisions"),
            "alarms": value("alarms"),
            "events": value("events"),
            "plan": self._plan(reports),
            "problems": self.poller.problems,
            "credentials": self.poller.signed_out,
        }

    def _endpoint(self, observed: ObservedEndpoint) -> dict[str, Any]:
        report, problem = self.poller.value(_hosting(observed)), self.poller.problem(_hosting(observed))
        if report is None:
            return unread_endpoint(observed, problem)
        _, gpus = self._measured(observed.endpoint_name) or (None, [])
        return endpoint_content(report, observed, self._region) | {"problem": problem, "gpus": gpus}

    def _plan(self, reports: Mapping[str, EndpointReport]) -> list[dict[str, Any]] | None:
        if not reports:
            return None
        return [
            row
            for observed in self._fleet.endpoints
            if (report := reports.get(observed.endpoint_name)) is not None
            for row in beside_plan(report, (self._measured(observed.endpoint_name) or (None, []))[0])
        ]

    def _measured(self, endpoint_name: str) -> tuple[Any, list[dict[str, Any]]] | None:
        """The engine's figures of an endpoint, and its GPUs; None if they were not read yet."""
        measured: dict[str, tuple[Any, list[dict[str, Any]]]] = self.poller.value("engine") or {}
        return measured.get(endpoint_name)

    @property
    def _reports(self) -> dict[str, EndpointReport]:
        reports = {one.endpoint_name: self.poller.value(_hosting(one)) for one in self._fleet.endpoints}
        return {name: report for name, report in reports.items() if report is not None}

    def _components(self) -> dict[str, Sequence[str]]:
        """Components by endpoint: those of the environment, and further ones that SageMaker has."""
        reports = self._reports
        return {
            one.endpoint_name: list(
                dict.fromkeys(
                    [
                        *(component.component_name for component in one.components),
                        *(
                            component.component_name
                            for report in (reports.get(one.endpoint_name),)
                            if report is not None
                            for component in report.components
                        ),
                    ]
                )
            )
            for one in self._fleet.endpoints
        }

    def _names(self) -> set[str]:
        return {name for components in self._components().values() for name in components}

    # --- sources ------------------------------------------------------------------------------------------------------

    def _sources(self) -> list[Source]:
        hosting = [
            Source(
                name=_hosting(one),
                part="endpoints",
                period_s=_HOSTING_S,
                calls="sagemaker:DescribeEndpoint and its components",
                read=partial(self._read_hosting, one),
            )
            for one in self._fleet.endpoints
        ]
        return [
            *hosting,
            Source(
                name="traffic",
                part="fleet",
                period_s=_METRICS_S,
                calls="cloudwatch:GetMetricData",
                read=lambda clients: read_traffic(
                    clients["cloudwatch"], self._components(), dt.datetime.now(tz=dt.UTC)
                ),
            ),
            Source(
                name="bounds",
                part="fleet",
                period_s=_METRICS_S,
                calls="application-autoscaling:DescribeScalableTargets and DescribeScalingPolicies",
                read=lambda clients: read_bounds(clients["application-autoscaling"], self._names()),
            ),
            Source(
                name="decisions",
                part="decisions",
                period_s=_SCALING_S,
                calls="application-autoscaling:DescribeScalingActivities",
                read=lambda clients: read_decisions(clients["application-autoscaling"], self._names()),
            ),
            Source(
                name="alarms",
                part="alarms",
                period_s=_SCALING_S,
                calls="cloudwatch:DescribeAlarms, and cloudformation:ListStackResources for their names",
                read=lambda clients: self._alarms.read(clients["cloudwatch"], clients["cloudformation"]),
            ),
            Source(
                name="events",
                part="events",
                period_s=_SCALING_S,
                calls="cloudformation:DescribeStackEvents",
                read=lambda clients: read_events(clients["cloudformation"], self._fleet.stack_names),
            ),
            Source(
                name="engine",
                part="plan",
                period_s=_METRICS_S,
                calls="cloudwatch:QueryMetrics",
                read=self._read_engine,
            ),
        ]

    def _read_hosting(self, observed: ObservedEndpoint, clients: Clients) -> EndpointReport:
        return read_endpoint(
            clients["sagemaker"],
            observed,
            environment=self._fleet.environment,
            region=self._region,
            prices=self._fleet.prices,
        )

    def _read_engine(self, clients: Clients) -> dict[str, Any]:
        """Read the engine's figures and the GPUs of every endpoint with a copy that runs, as far as is known."""
        reports = self._reports
        running = [
            one.endpoint_name
            for one in self._fleet.endpoints
            if (report := reports.get(one.endpoint_name)) is None
            or any(component.copies_running for component in report.components)
        ]
        api = clients.promql if running else None
        return {
            name: (read_engine(api, name, enrichment=self._fleet.enrichment), read_gpus(api, name))
            for name in running
            if api is not None
        }


def _hosting(observed: ObservedEndpoint) -> str:
    return f"endpoint {observed.endpoint_name}"
