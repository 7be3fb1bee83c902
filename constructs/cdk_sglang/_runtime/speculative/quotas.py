"""Quotas of the account, by their names."""

from __future__ import annotations

from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from .ends import Throttled, code_of, is_throttle

_REFUSALS = ("AccessDeniedException", "AccessDenied", "NoSuchResourceException")


def quota(quotas: Any, name: str) -> float | None:
    """Return a quota of SageMaker: the account's own, otherwise AWS's default; None if it is unknown.

    Args:
        quotas: Client of Service Quotas.
        name: Name, for example "ml.g6e.12xlarge for training job usage".

    Raises:
        Throttled: Service Quotas throttles requests.
    """
    for listing in ("list_service_quotas", "list_aws_default_service_quotas"):
        found = _found(partial(quotas.get_paginator(listing).paginate, ServiceCode="sagemaker"), name)
        if found is not None:
            return found
    return None


def _found(pages: Any, name: str) -> float | None:
    try:
        for page in pages():
            for item in page["Quotas"]:
                if item["QuotaName"] == name:
                    return float(item["Value"])
    except ClientError as error:
        if is_throttle(error):
            raise Throttled(f"Service Quotas: {code_of(error)}") from error
        if code_of(error) not in _REFUSALS:
            raise
    return None
