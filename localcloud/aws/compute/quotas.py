"""Service Quotas of SageMaker: instances for endpoints, by type, in all and of one, and for training jobs by type, and parallel AI benchmark jobs.

For Bedrock AgentCore, the quota of agents.

Names and values are AWS's (`hosting.limits`); unknown codes are invented. The faults `endpoint-quota-zero` and
`job-quota-zero` make the quota of a type zero for every caller, for endpoints and for jobs; `agent-quota-zero` that of AgentCore's agents.
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
from localcloud.aws.compute import quota_requests
from localcloud.aws.hosting import limits, validation

_PAGE = 100
BENCHMARKS = "Number of parallel AI benchmark jobs"
_OTHERS = (limits.ONE_ENDPOINT, limits.ALL_ENDPOINTS, BENCHMARKS)
_AGENTCORE = "bedrock-agentcore"
_AGENTS = "Total agents per account"
_SERVICES = {"sagemaker": "Amazon SageMaker", _AGENTCORE: "Amazon Bedrock AgentCore"}


def put(name: str, value: float | None) -> None:
    """Set a quota of SageMaker, or with None restore its previous value.

    Raises:
        ValueError: There is no such quota, or the value is negative.
    """
    if name not in _names():
        raise ValueError(
            f"quota: SageMaker has no {name!r}; take a name from `aws service-quotas list-service-quotas --service-code sagemaker`"
        )
    limits.put(name, value)


def check_job(instance_type: str | None, *, running: int) -> None:
    """Refuse a job whose instance type has used up its quota, as CreateOptimizationJob does.

    Args:
        instance_type: Type of the job's instance. Default: nothing is checked.
        running: Jobs that run on this type.
    """
    if not instance_type:
        return
    name = limits.OF_JOBS.format(instance_type)
    limit = 0.0 if faults.strikes("job-quota-zero", instance_type) else limits.value(name)
    if running + 1 > limit:
        raise SagemakerClientError("ResourceLimitExceeded", limits.message(name, limit, used=running))


@functools.cache
def _names() -> dict[str, tuple[str, str]]:
    """Fault and instance type of every quota's name, empty for one without a type."""
    jobs = validation.operation("CreateOptimizationJob").input_shape.members["DeploymentInstanceType"].enum
    variants = validation.operation("CreateEndpointConfig").input_shape.members["ProductionVariants"]
    endpoints = variants.member.members["InstanceType"].enum
    return {
        **{limits.OF_JOBS.format(kind): ("job-quota-zero", kind) for kind in jobs},
        **{limits.OF_A_TYPE.format(kind): ("endpoint-quota-zero", kind) for kind in endpoints},
        **dict.fromkeys(_OTHERS, ("", "")),
    }


def _names_of(service: str) -> dict[str, tuple[str, str]]:
    return {_AGENTS: ("agent-quota-zero", "agents")} if service == _AGENTCORE else _names()


def _quota(name: str, region: str, account: str, *, service: str, default: bool = False) -> dict[str, Any]:
    known = limits.defaults().get(name)
    code = (known and known.code) or f"L-{hashlib.sha256(name.encode()).hexdigest()[:8].upper()}"
    fault, kind = _names_of(service)[name]
    owner = "" if default else account
    is_zero = kind and not default and faults.stands(fault, kind)
    value = 0.0 if is_zero else limits.default(name) if default else limits.value(name)
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
    if request["ServiceCode"] not in _SERVICES:
        return str(_moto_get(self))
    return json.dumps({"Quota": _find(request["ServiceCode"], request["QuotaCode"], self.region, self.current_account)})


def _get_default(self: ServiceQuotasResponse) -> str:
    request = json.loads(self.body)
    found = _find(request["ServiceCode"], request["QuotaCode"], self.region, self.current_account)
    name, service = found["QuotaName"], request["ServiceCode"]
    return json.dumps({"Quota": _quota(name, self.region, self.current_account, service=service, default=True)})


def _find(service: str, code: str, region: str, account: str) -> dict[str, Any]:
    for name in _names_of(service) if service in _SERVICES else ():
        quota = _quota(name, region, account, service=service)
        if quota["QuotaCode"] == code:
            return quota
    raise NoSuchResource


_moto_get = ServiceQuotasResponse.get_service_quota
_moto_defaults = ServiceQuotasResponse.list_aws_default_service_quotas


def install() -> None:
    """Add SageMaker's quotas to moto's Service Quotas."""
    ServiceQuotasResponse.get_service_quota = _get
    ServiceQuotasResponse.get_aws_default_service_quota = _get_default
    ServiceQuotasResponse.list_aws_default_service_quotas = _list_defaults
    ServiceQuotasResponse.list_service_quotas = _list
    quota_requests.install(_find)
