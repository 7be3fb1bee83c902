"""A component's draft in its stack: a parameter that selects the version that is served, and the settings that depend on it.

The pipeline that promotes a version changes only the parameter, so the component's own rollout and CloudFormation's rollback apply.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_sglang.metrics.promql import Place, gauge
from cdk_sglang.metrics.series import COMPONENT
from cdk_sglang.serving.alarms.actions import add_actions, topic_arns
from cdk_sglang.serving.alarms.alarms import acknowledge_no_action
from cdk_sglang.serving.alarms.choice import Alarms
from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge_wildcards
from cdk_sglang.serving.shared.drafts import (
    ACCEPT_LENGTH_SHARE,
    ALLOWED_VALUES,
    BASE_VALUE,
    DRAFT_PATH,
    DRAFT_PATH_VARIABLE,
    FIELDS,
    accept_length_alarm,
    parameter_id,
    variables_of,
    versions_prefix,
)
from cdk_sglang.serving.shared.logs import COMPONENT_LOG_PREFIX, ENDPOINT_LOG_PREFIX, log_group_arns
from cdk_sglang.serving.shared.own_policy import give

if TYPE_CHECKING:
    from aws_cdk import aws_s3 as s3

    from cdk_sglang.serving.component.context import EndpointContext
    from cdk_sglang.spec.model import Model
    from cdk_sglang.spec.speculative import Speculative

_PENDING_SECONDS: Final = 1800
_RECOVERY_SECONDS: Final = 900
_EVALUATION_SECONDS: Final = 60
_GATE_LOGS: Final = "logs of the two copies that a draft is measured on; their names have the run's in them"


class PromotedDraft:
    """The parameter of a component's draft.

    A plain object, not a construct: the parameter belongs to the stack, under an id that the pipeline knows.

    Args:
        scope: The component.
        component_name: Name of the component in SageMaker.
        speculative: The specification.
        model: The component's model.

    Attributes:
        parameter_id: Logical id of the parameter.
    """

    def __init__(self, scope: Construct, *, component_name: str, speculative: Speculative, model: Model) -> None:
        stack = cdk.Stack.of(scope)
        self._stack, self._speculative, self._component_name = stack, speculative, component_name
        self.parameter_id: str = parameter_id(component_name, model)
        parameter = cdk.CfnParameter(
            stack,
            self.parameter_id,
            type="String",
            default=BASE_VALUE,
            allowed_pattern=f"^{ALLOWED_VALUES}$",
            constraint_description=f"takes {BASE_VALUE} or {','.join(f'<{field}>' for field in FIELDS)}",
            description=f"Draft that {component_name} serves; set by its pipeline and by cdk-sglang eagle promote and rollback",
        )
        self._value = parameter.value_as_string
        self._condition = cdk.CfnCondition(
            stack,
            f"Is{self.parameter_id}",
            expression=cdk.Fn.condition_not(cdk.Fn.condition_equals(self._value, BASE_VALUE)),
        )

    def _measured(self) -> cdk.CfnCondition:
        """Return the condition that a version with a measured accept length is served."""
        return cdk.CfnCondition(
            self._stack,
            f"Measured{self.parameter_id}",
            expression=cdk.Fn.condition_not(cdk.Fn.condition_equals(self._field("accept_length"), "")),
        )

    def _field(self, name: str) -> str:
        return cdk.Fn.select(FIELDS.index(name), cdk.Fn.split(",", self._value))

    def _switched(self, served: str | cdk.IResolvable, base: str | cdk.IResolvable) -> str:
        return cdk.Token.as_string(cdk.Fn.condition_if(self._condition.logical_id, served, base))

    @property
    def _variables(self) -> dict[str, str]:
        values = {name: self._field(field) for name, field in variables_of(self._speculative.kind).items()}
        return {**values, DRAFT_PATH_VARIABLE: DRAFT_PATH} if self._speculative.has_draft_model else values

    def uri(self, base_uri: str, bucket_name: str) -> str:
        """Return the S3 URI of the model: of the served version, or of the model without a draft.

        Args:
            base_uri: URI of the model without a draft.
            bucket_name: Bucket of the versions.
        """
        if not self._speculative.has_draft_model:  # a draft without files: the model stays where it is
            return base_uri
        base_bucket, _, folder = base_uri.removeprefix("s3://").partition("/")
        bucket = bucket_name if base_bucket == bucket_name else self._switched(bucket_name, base_bucket)
        # Part by part: CloudFormation validates a whole URI inside a condition with the names of SSM parameters instead of their values.
        return cdk.Fn.join("", ["s3://", bucket, "/", self._switched(self._field("prefix"), folder)])

    def variables(self) -> dict[str, str]:
        """Return the container's environment variables that exist while a version is served, for a CloudFormation property."""
        return {name: self._switched(value, cdk.Aws.NO_VALUE) for name, value in self._variables.items()}

    def environment_json(self, environment: Mapping[str, str]) -> float:
        """Return the container's environment as JSON inside JSON, with and without the variables of a version.

        `AWS::NoValue` has no meaning inside a text, so a condition selects one of two texts. It is encoded as a number because CDK then
        writes it without quotes.

        Args:
            environment: The environment of the model without a draft.
        """
        stack = self._stack
        served = stack.to_json_string({**environment, **self._variables})
        base = stack.to_json_string(dict(environment))
        choice = {"Fn::If": [self._condition.logical_id, served, base]}
        return cdk.Token.as_number(cdk.Intrinsic(choice, type_hint=cdk.ResolutionTypeHint.NUMBER))

    def allow(self, endpoint: EndpointContext, bucket: s3.IBucket | None) -> None:
        """Let the endpoint's role read versions, and write logs of the copies that a draft is measured on.

        Args:
            endpoint: The endpoint.
            bucket: Bucket of the versions; None if the draft has no files.
        """
        if bucket is not None and self._speculative.has_draft_model:
            known = endpoint.weights.known(bucket)
            endpoint.weights.read(known.arn, versions_prefix(self._component_name), known.key_arn)
        groups = log_group_arns(self._stack, f"{ENDPOINT_LOG_PREFIX}gate-*", f"{COMPONENT_LOG_PREFIX}gate-*")
        streams = [f"{group}:*" for group in groups]
        give(
            endpoint.role, iam.PolicyStatement(actions=list(permissions.WRITE_GATE_LOGS), resources=[*groups, *streams])
        )
        acknowledge_wildcards(self._stack, endpoint.role, [*groups, *streams], _GATE_LOGS)

    def make_alarm(self, scope: Construct, endpoint: EndpointContext) -> None:
        """Create the accept-length alarm, or warn why there is none.

        Args:
            scope: The component.
            endpoint: Its endpoint.
        """
        if not endpoint.options.enrichment:
            cdk.Annotations.of(scope).add_info(
                "nobody watches whether the draft is still accepted as when it was promoted: SGLang's metrics are read with PromQL, which "
                "needs OTel enrichment of the account; set observability.enrichment to enable or enabled, in Python enrichment=True"
            )
            return
        best = gauge(
            "accept_length",
            Place(endpoint=endpoint.name, component=self._component_name),
            aggregate="max",
            labels=(COMPONENT,),
            over="max_over_time[30m]",
        )
        query = cdk.Fn.join(
            "", [f"({best}) < {ACCEPT_LENGTH_SHARE:g} * ", self._field("accept_length"), f" and ({best}) > 0"]
        )
        choice = endpoint.options.alarms
        topics = topic_arns(choice)
        alarm = cdk.CfnResource(
            scope,
            "AcceptLength",
            type="AWS::CloudWatch::Alarm",
            properties={
                "AlarmName": accept_length_alarm(self._component_name),
                "AlarmDescription": (
                    f"{self._component_name}: speculative decoding accepts less than {ACCEPT_LENGTH_SHARE:.0%} of the tokens per step that were "
                    "measured when its draft was promoted, so it gains less or loses; train again (cdk-sglang eagle start), or go back "
                    "(cdk-sglang eagle rollback)"
                ),
                "EvaluationCriteria": {
                    "PromQLCriteria": {
                        "Query": query,
                        "PendingPeriod": _PENDING_SECONDS,
                        "RecoveryPeriod": _RECOVERY_SECONDS,
                    }
                },
                "EvaluationInterval": _EVALUATION_SECONDS,
                **({"AlarmActions": topics, "OKActions": topics} if topics else {}),
            },
        )
        alarm.cfn_options.condition = self._measured()
        add_actions(alarm, choice)
        if not isinstance(choice, Alarms):
            acknowledge_no_action(alarm, choice)
