"""The alarms of one endpoint as resources: alarms that create tickets, and one that pages for all urgent ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import aws_cdk as cdk
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.observability.alarms.catalogue import AlarmKind, runbook
from cdk_sglang.observability.alarms.definition import AlarmDefinition, WindowsAlarm
from cdk_sglang.observability.alarms.definitions import alarm_definitions
from cdk_sglang.observability.alarms.deployments import DeploymentWatch
from cdk_sglang.observability.alarms.metric_alarms import CHILDREN
from cdk_sglang.observability.constructs import observed_construct
from cdk_sglang.observability.observed import ObservedEndpoint
from cdk_sglang.serving.alarms.actions import action_problems, add_actions, topic_arns
from cdk_sglang.serving.alarms.choice import Alarms, chosen_alarms, topic_problems, warn_of_silence
from cdk_sglang.serving.shared.acknowledge import acknowledge, in_packs
from cdk_sglang.serving.shared.log_options import LogOptions, allowed_days
from cdk_sglang.spec.alarm_rules import AlarmRules
from cdk_sglang.spec.alarms import NoAlarms

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_logs as logs
    from aws_cdk import aws_sns as sns

    from cdk_sglang.serving.endpoint.endpoint import InferenceEndpoint

_WAIT_SECONDS: Final = 120
"""A page waits so long for the sign of a deployment: a function looks once a minute, and the metric needs the rest of the next."""
_EXTENSION_SECONDS: Final = 300
"""After a deployment nobody is paged for so long: the short window of a fast burn is over by then, or still burns. One long enough to burn the
slow pair's budget, too, does page: that is a share of the month's budget that somebody should hear of."""
_DESCRIPTION_LENGTH: Final = 1024
"""Characters of an alarm's description (botocore 1.44.5, PutMetricAlarm)."""
_PAGED_TOGETHER: Final = "it tells nobody by itself: the one alarm of the endpoint that pages, or the one that needs both of its windows, does"
_NOBODY: Final = "nobody is told; give alarms=Alarms(topic=...)"


_Audience: TypeAlias = Literal["nobody", "ticket", "page"]


class EndpointAlarms(Construct):
    """Alarms of an endpoint on its objectives; one alarm pages, the others create tickets.

    Alarms on metrics of the engine and the GPUs, including latency, need OTel enrichment of the account; without it, a warning at synth lists
    the objectives that are not monitored. Missing data raises no alarm, since an idle endpoint publishes none.

    Args:
        scope: Parent.
        construct_id: Id in the parent.
        endpoint: The endpoint, after its components were added; or what is observed of one (`observed_endpoint`), with its plan.
        alarms: Recipients of alarms, or the reason why there are none; a single topic receives all alarms. If unspecified, synth warns.
        enrichment: Whether the account has OTel enrichment, by which CloudWatch answers PromQL; no by default.
        rules: Burn rates and thresholds; those of Google's SRE workbook and of AlarmRules by default.
        budget_usd_per_hour: Maximum cost of the endpoint in US dollars per hour, which needs enrichment; not monitored by default.
        deployment_stacks: Names of the CloudFormation stacks whose changes are deployments of the endpoint, during which no page is sent; none
            by default.
        runbooks_url: Folder or address of the runbook pages; docs/runbooks of this project's repository by default.
        log_retention_days: Days that the log of the function that looks for deployments is kept; 30 by default.
        log_key: Key that encrypts that log; that of CloudWatch Logs by default.
        log_removal: Whether that log outlives the stack; it does by default.

    Raises:
        ConfigurationError: An objective cannot be monitored, or a topic is in another Region; each problem names the option's path.
    """

    @checked("{construct_id}")
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: InferenceEndpoint | ObservedEndpoint,
        alarms: Alarms | NoAlarms | sns.ITopic | cloudwatch.IAlarmAction | None = None,
        enrichment: bool = False,
        rules: AlarmRules | None = None,
        budget_usd_per_hour: float | None = None,
        deployment_stacks: Sequence[str] = (),
        runbooks_url: str = "docs/runbooks",
        log_retention_days: int | logs.RetentionDays = 30,
        log_key: kms.IKey | None = None,
        log_removal: cdk.RemovalPolicy | None = None,
    ) -> None:
        observed = endpoint if isinstance(endpoint, ObservedEndpoint) else observed_construct(endpoint)
        choice = chosen_alarms(alarms)
        rules = AlarmRules() if rules is None else rules
        stack = cdk.Stack.of(scope)
        problems = [
            *topic_problems(f"{construct_id}.alarms", choice, stack.region),
            *action_problems(f"{construct_id}.alarms", choice, scope),
            *_budget_problems(construct_id, budget_usd_per_hour, enrichment=enrichment),
        ]
        try:
            definitions = alarm_definitions(
                observed, rules, enrichment=enrichment, budget_usd_per_hour=budget_usd_per_hour
            )
        except ConfigurationError as error:
            problems += [problem.under(construct_id) for problem in error.problems]
        raise_if_any(problems)
        days = allowed_days(f"{construct_id}.log_retention_days", log_retention_days)

        super().__init__(scope, construct_id)
        self._endpoint_name, self._runbooks = observed.endpoint_name, runbooks_url
        self._choice = choice
        paging = [self._alarm(one, "nobody").ref for one in definitions.alarms if one.severity == "page"]
        for one in definitions.alarms:
            if one.severity == "ticket":
                self._alarm(one, "ticket")
        for windows in definitions.windows:
            alarm = self._windows(windows)
            if windows.severity == "page":
                paging.append(alarm.ref)
        suppressor = None
        if deployment_stacks and isinstance(choice, Alarms):
            suppressor = DeploymentWatch(
                self,
                "Deployments",
                endpoint_name=observed.endpoint_name,
                stacks=deployment_stacks,
                log_options=LogOptions(
                    retention_days=days, key=log_key, removal=log_removal or cdk.RemovalPolicy.RETAIN
                ),
            ).alarm_name
        self.page_alarm_name: str = self._page(paging, suppressor)
        """Name of the alarm that pages, as CloudFormation makes it."""
        self._warn(choice, definitions.unwatched, definitions.unwatched_drafts)

    def _alarm(self, definition: AlarmDefinition, audience: _Audience) -> cdk.CfnResource:
        # A plain resource: the typed ones make a call into jsii of every metric, and there are hundreds of alarms.
        alarm = cdk.CfnResource(
            self,
            definition.construct_id,
            type="AWS::CloudWatch::Alarm",
            properties={
                "AlarmDescription": self._description(definition.kind, definition.text),
                **definition.properties,
                **self._topics(audience),
            },
        )
        return self._with_actions(alarm, audience)

    def _topics(self, audience: _Audience) -> dict[str, list[str]]:
        arns = [] if audience == "nobody" else topic_arns(self._choice, pages=audience == "page")
        return {"AlarmActions": arns, "OKActions": arns} if arns else {}

    def _with_actions(self, alarm: cdk.CfnResource, audience: _Audience) -> cdk.CfnResource:
        """Add what the author chose besides topics; an alarm's `ref`, its name, is one more call into jsii, for those alone that need it."""
        if audience != "nobody":
            add_actions(alarm, self._choice, pages=audience == "page")
        return alarm

    def _windows(self, definition: WindowsAlarm) -> cdk.CfnResource:
        pairs = [
            f'(ALARM("{self._alarm(pair.long, "nobody").ref}") AND ALARM("{self._alarm(pair.short, "nobody").ref}"))'
            for pair in definition.pairs
        ]
        return self._composite(
            definition.construct_id,
            " OR ".join(pairs),
            self._description(definition.kind, definition.text),
            audience="ticket" if definition.severity == "ticket" else "nobody",
        )

    def _page(self, alarms: Sequence[str], suppressor: str | None) -> str:
        level, number = list(alarms), 0
        while len(level) > CHILDREN:
            parts = [level[first : first + CHILDREN] for first in range(0, len(level), CHILDREN)]
            level = []
            for part in parts:
                number += 1
                text = f"{self._endpoint_name}: part {number} of the alarms that page; it tells nobody by itself"
                level.append(self._composite(f"PagePart{number}", _any_of(part), text, audience="nobody").ref)
        text = (
            f"{self._endpoint_name} breaks a promise, or is about to: one of the alarms in this one's rule is on, and its description says what "
            "to do. This one pages once, however many there are"
        )
        options: dict[str, Any] = {}
        if suppressor is not None:
            options = {
                "ActionsSuppressor": suppressor,
                "ActionsSuppressorWaitPeriod": _WAIT_SECONDS,
                "ActionsSuppressorExtensionPeriod": _EXTENSION_SECONDS,
            }
        return self._composite("Page", _any_of(level), text, audience="page", options=options).ref

    def _composite(
        self,
        construct_id: str,
        rule: str,
        text: str,
        *,
        audience: _Audience,
        options: Mapping[str, Any] | None = None,
    ) -> cdk.CfnResource:
        alarm = cdk.CfnResource(
            self,
            construct_id,
            type="AWS::CloudWatch::CompositeAlarm",
            properties={"AlarmDescription": text, "AlarmRule": rule, **self._topics(audience), **(options or {})},
        )
        return self._with_actions(alarm, audience)

    def _description(self, kind: AlarmKind, text: str) -> str:
        ending = f". To do: {kind.action}. Runbook: {runbook(kind, self._runbooks)}"
        room = _DESCRIPTION_LENGTH - len(ending)
        return f"{text if len(text) <= room else f'{text[: room - 1]}…'}{ending}"

    def _warn(self, choice: Alarms | NoAlarms | None, unwatched: Sequence[str], drafts: Sequence[str]) -> None:
        warn_of_silence(self, choice)
        if isinstance(choice, Alarms):
            reason = _PAGED_TOGETHER
        else:
            reason = choice.reason if isinstance(choice, NoAlarms) else _NOBODY
        acknowledge(self, in_packs("CloudWatchAlarmAction"), reason)
        if unwatched:
            cdk.Annotations.of(self).add_info(  # a warning would refuse an environment under strict validation
                f"nobody watches the latency that {self._endpoint_name} promises ({', '.join(unwatched)}): SGLang's histograms are read with "
                "PromQL, which needs OTel enrichment of the account; set observability.enrichment to enable or enabled, in Python "
                "enrichment=True",
            )
        if drafts:
            cdk.Annotations.of(self).add_info(
                f"nobody watches the accept length that {self._endpoint_name} promises ({', '.join(drafts)}): SGLang's gauge is read with PromQL, "
                "which needs OTel enrichment of the account; set observability.enrichment to enable or enabled, in Python enrichment=True"
            )


def _any_of(alarms: Sequence[str]) -> str:
    return " OR ".join(f'ALARM("{alarm}")' for alarm in alarms) or "FALSE"


def _budget_problems(path: str, budget: float | None, *, enrichment: bool) -> Iterator[Problem]:
    if budget is None:
        return
    if not budget > 0:
        yield Problem(f"{path}.budget_usd_per_hour", f"{budget:g} is not allowed; use a value > 0, or leave it out")
    if not enrichment:
        yield Problem(
            f"{path}.budget_usd_per_hour",
            "cannot be watched without enrichment, since instances are counted by their GPUs' metrics; set enrichment=True, or leave it out",
        )
