"""Service Quotas of SageMaker: instances for endpoints, by type, in all and of one, and for training jobs by type, and parallel AI benchmark jobs.

Of Bedrock AgentCore it has agents.

The names are AWS's; codes and values are invented, since AWS gives both per account and Region. The faults `endpoint-quota-zero` and
`job-quota-zero` make the quota of a type zero, for whoever asks, for endpoints and for jobs; `agent-quota-zero` that of AgentCore's agents.
"""

from __future__ import annotations

import functools
import hashlib
import json
from typing import Any

from moto.sagemaker.exceptions import SagemakerClientError
from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.responses import ServiceQuotasResponse

from localcloud.aws import faults
from localcloud.aws.hosting import limits, validation
from localcloud.aws.hosting.instances import quota_message

_PAGE = 100
_JOBS = "{} for training job usage"
_ENDPOINTS = "{} for endpoint usage"
_ONE_ENDPOINT = (
    "Maximum instances per endpoint"  # as AWS's page of quotas words it; the name in Service Quotas was not seen
)
_BENCHMARKS = "Number of parallel AI benchmark jobs"
_VALUES = {_ONE_ENDPOINT: 4.0, limits.ALL_ENDPOINTS: 20.0, _BENCHMARKS: 2.0}
_OF_A_TYPE = 4.0
_AGENTCORE = "bedrock-agentcore"
_AGENTS = "Total agents per account"
_MOST_AGENTS = 1000.0
"""https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/bedrock-agentcore-limits.html (read 2026-12)."""
_SERVICES = {"sagemaker": "Amazon SageMaker", _AGENTCORE: "Amazon Bedrock AgentCore"}


def put(name: str, value: float | None) -> None:
    """Set a quota of SageMaker, or with None give it back its default.

    Raises:
        ValueError: There is no such quota, or the value is negative.
    """
    if name not in _names():
        raise ValueError(
            f"quota: SageMaker has no {name!r}; take a name from `aws service-quotas list-service-quotas --service-code sagemaker`"
        )
    limits.put(name, value)


def check_job(instance_type: str | None) -> None:
    """Refuse a job whose instance type has a quota of zero, as CreateOptimizationJob does."""
    if instance_type and faults.strikes("job-quota-zero", instance_type):
        raise SagemakerClientError("ResourceLimitExceeded", quota_message(_JOBS.format(instance_type)))


@functools.cache
def _names() -> dict[str, tuple[str, str]]:
    """Fault and instance type of every quota's name, empty for one without a type."""
    jobs = validation.operation("CreateOptimizationJob").input_shape.members["DeploymentInstanceType"].enum
    variants = validation.operation("CreateEndpointConfig").input_shape.members["ProductionVariants"]
    endpoints = variants.member.members["InstanceType"].enum
    return {
        **{_JOBS.format(kind): ("job-quota-zero", kind) for kind in jobs},
        **{_ENDPOINTS.format(kind): ("endpoint-quota-zero", kind) for kind in endpoints},
        **dict.fromkeys(_VALUES, ("", "")),
    }


def _names_of(service: str) -> dict[str, tuple[str, str]]:
    return {_AGENTS: ("agent-quota-zero", "agents")} if service == _AGENTCORE else _names()


def _quota(name: str, region: str, account: str, *, service: str, default: bool = False) -> dict[str, Any]:
    code = f"L-{hashlib.sha256(name.encode()).hexdigest()[:8].upper()}"
    fault, kind = _names_of(service)[name]
    owner = "" if default else account
    is_zero = kind and not default and faults.stands(fault, kind)
    own = {} if default else limits.values()
    value = (
        0.0
        if is_zero
        else own[name]
        if name in own
        else _MOST_AGENTS
        if name == _AGENTS
        else _VALUES.get(name, _OF_A_TYPE)
    )
    return {
        "ServiceCode": service,
        "ServiceName": _SERVICES[service],
        "QuotaArn": f"arn:aws:servicequotas:{region}:{owner}:{service}/{code}",
        "QuotaCode": code,
        "QuotaName": name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


def _list(self: ServiceQuotasResponse) -> str:
    return _page(self, default=False)


def _list_defaults(self: ServiceQuotasResponse) -> str:
    if json.loads(self.body)["ServiceCode"] not in _SERVICES:
        return str(_moto_defaults(self))
    return _page(self, default=True)


def _page(self: ServiceQuotasResponse, *, default: bool) -> str:
    request = json.loads(self.body)
    service = request["ServiceCode"]
    if service not in _SERVICES:
        raise NoSuchResource
    names = sorted(_names_of(service))
    start, size = int(request.get("NextToken") or 0), int(request.get("MaxResults") or _PAGE)
    page = names[start : start + size]
    answer: dict[str, Any] = {
        "Quotas": [_quota(name, self.region, self.current_account, service=service, default=default) for name in page]
    }
    if start + size < len(names):
        answer["NextToken"] = str(start + size)
    return json.dumps(answer)


def _get(self: ServiceQuotasResponse) -> str:
    request = json.loads(self.body)
    service = request["ServiceCode"]
    if service not in _SERVICES:
        return str(_moto_get(self))
    for name in _names_of(service):
        quota = _quota(name, self.region, self.current_account, service=service)
        if quota["QuotaCode"] == request["QuotaCode"]:
            return json.dumps({"Quota": quota})
    raise NoSuchResource


_moto_get = ServiceQuotasResponse.get_service_quota
_moto_defaults = ServiceQuotasResponse.list_aws_default_service_quotas


def install() -> None:
    """Let moto's Service Quotas know SageMaker's."""
    ServiceQuotasResponse.get_service_quota = _get
    ServiceQuotasResponse.list_aws_default_service_quotas = _list_defaults
    ServiceQuotasResponse.list_service_quotas = _list
