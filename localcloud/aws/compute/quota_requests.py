"""Requests for higher quotas: accepted as on AWS, and granted by a rule instead of a person.

The rule: every request for more than the quota's value is granted in full, once `Settings.quota_s` seconds have passed (0: at once). Until
then its status is PENDING, then APPROVED; AWS takes minutes to days, and may refuse.
"""

from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.responses import ServiceQuotasResponse

from localcloud.aws.clock import clock
from localcloud.aws.hosting import limits
from localcloud.aws.settings import current

Find = Callable[[str, str, str, str], dict[str, Any]]
"""Returns a quota by service, code, Region and account; raises NoSuchResource."""


@dataclass(frozen=True, kw_only=True)
class _Request:
    quota: dict[str, Any]
    desired: float
    created_at: float
    due: float
    id: str

    def shown(self) -> dict[str, Any]:
        over = clock().now() >= self.due
        kept = ("ServiceCode", "ServiceName", "QuotaArn", "QuotaCode", "QuotaName", "Unit", "GlobalQuota")
        return {key: self.quota[key] for key in kept} | {
            "Id": self.id,
            "DesiredValue": self.desired,
            "Status": "APPROVED" if over else "PENDING",
            "Created": self.created_at,
            "LastUpdated": self.due if over else self.created_at,
            "Requester": json.dumps({"accountId": self.quota["QuotaArn"].split(":")[4]}),
        }


def _requests(response: ServiceQuotasResponse) -> list[_Request]:
    """Requests of an account and Region, newest first; moto's reset deletes them."""
    kept: list[_Request] = response.backend.__dict__.setdefault("localcloud_requests", [])
    return kept


def _request(self: ServiceQuotasResponse, find: Find) -> str:
    request = json.loads(self.body)
    quota = find(request["ServiceCode"], request["QuotaCode"], self.region, self.current_account)
    desired = float(request["DesiredValue"])
    if desired <= quota["Value"]:
        raise JsonRESTError(
            "IllegalArgumentException", "You must provide a quota value greater than the current quota value."
        )
    kept = _requests(self)
    if any(one.quota["QuotaCode"] == quota["QuotaCode"] and clock().now() < one.due for one in kept):
        raise JsonRESTError(
            "ResourceAlreadyExistsException", "Only one open service quota increase request is allowed per quota."
        )
    now = clock().now()
    increase = _Request(
        quota=quota,
        desired=desired,
        created_at=now,
        due=now + current().quota_s,
        id=f"{uuid.uuid4().hex}{uuid.uuid4().hex[:8]}",
    )
    kept.insert(0, increase)
    limits.increase(quota["QuotaName"], desired)
    return json.dumps({"RequestedQuota": increase.shown() | {"Status": "PENDING"}})


def _get(self: ServiceQuotasResponse) -> str:
    request_id = json.loads(self.body)["RequestId"]
    found = next((one for one in _requests(self) if one.id == request_id), None)
    if found is None:
        raise NoSuchResource
    return json.dumps({"RequestedQuota": found.shown()})


def _list(self: ServiceQuotasResponse) -> str:
    request = json.loads(self.body)
    filters = {"ServiceCode", "QuotaCode", "Status"} & request.keys()
    shown = [one.shown() for one in _requests(self)]
    return json.dumps({"RequestedQuotas": [one for one in shown if all(one[key] == request[key] for key in filters)]})


def install(find: Find) -> None:
    """Let moto's Service Quotas accept requests.

    Args:
        find: Returns a quota.
    """
    ServiceQuotasResponse.request_service_quota_increase = functools.partialmethod(_request, find)
    ServiceQuotasResponse.get_requested_service_quota_change = _get
    ServiceQuotasResponse.list_requested_service_quota_change_history = _list
    ServiceQuotasResponse.list_requested_service_quota_change_history_by_quota = _list
