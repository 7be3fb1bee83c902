"""Describe a component while a request waits for it, if the caller has the permission."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .progress import Copies
from .wait import Clock

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

_DENIED: Final = frozenset({"AccessDeniedException", "AccessDenied", "UnrecognizedClientException"})


class Watch:
    """Calls DescribeInferenceComponent from time to time; its failures never end a wait.

    Args:
        session: Source of the credentials.
        region: Region of the components.
        endpoint_url: Address of SageMaker's API; AWS's own by default.
        every_seconds: Shortest interval between two calls for a component; 0 for no calls.
        clock: Clock of the interval.
    """

    def __init__(
        self,
        *,
        session: boto3.Session,
        region: str | None,
        endpoint_url: str | None,
        every_seconds: float,
        clock: Clock,
    ) -> None:
        self._session, self._region, self._endpoint_url = session, region, endpoint_url
        self._every_seconds, self._clock = every_seconds, clock
        self._lock = threading.Lock()
        self._client: SageMakerClient | None = None
        self._cache: dict[str, tuple[float, Copies | None]] = {}
        self._allowed = every_seconds > 0

    @property
    def allowed(self) -> bool:
        """Whether components may be described, as far as is known."""
        return self._allowed

    def look(self, component: str) -> Copies | None:
        """Return the component's copies; None if unknown."""
        with self._lock:
            time, copies = self._cache.get(component, (float("-inf"), None))
            if not self._allowed or self._clock.now() - time < self._every_seconds:
                return copies
            copies = self._describe(component)
            self._cache[component] = (self._clock.now(), copies)
            return copies

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _describe(self, component: str) -> Copies | None:
        try:
            if self._client is None:
                # One quick attempt: the wait continues without it, and describes again later.
                config = Config(
                    connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 1}
                )
                self._client = self._session.client(
                    "sagemaker", region_name=self._region, endpoint_url=self._endpoint_url, config=config
                )
            description = self._client.describe_inference_component(InferenceComponentName=component)
        except ClientError as error:
            self._allowed = error.response.get("Error", {}).get("Code") not in _DENIED
            return None
        except BotoCoreError:
            return None
        counts = description.get("RuntimeConfig")
        if counts is None:
            return None  # an adapter has no copies of its own
        return Copies(
            current=counts["CurrentCopyCount"],
            desired=counts["DesiredCopyCount"],
            status=description["InferenceComponentStatus"],
            failure=description.get("FailureReason", ""),
        )
