"""The course of one request, without any input or output: where it goes next, when, and when it ends."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Final, Self, TypeVar

import boto3

from cdk_sglang.client.errors import WaitCancelledError, WaitExceededError
from cdk_sglang.client.failures import Reason, Refusal, RefusedError
from cdk_sglang.client.progress import Copies, OnProgress, Progress, State
from cdk_sglang.client.route import Destination, Lease, Route, Router
from cdk_sglang.client.wait import Clock, Wait
from cdk_sglang.client.watch import Watch

T = TypeVar("T")
_STATES: Final = {Reason.THROTTLED: State.THROTTLED, Reason.UNREACHABLE: State.UNREACHABLE}


class Course:
    """One request's attempts; as a context manager it tells the caller how a wait ended."""

    def __init__(self, *, router: Router, wait: Wait, clock: Clock, on_progress: OnProgress | None) -> None:
        self._router, self._wait, self._clock, self._on_progress = router, wait, clock, on_progress
        self._started = clock.now()
        self._unreachable_since: float | None = None
        self._attempts = self._refusals = 0
        self._tried: set[int] = set()
        self._at: Destination = router.route.destinations[-1]
        self._told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if not self._told:
            return
        if error is None:
            self._report(State.ANSWERED)
        elif isinstance(error, WaitExceededError):
            self._report(State.GAVE_UP)
        elif isinstance(error, WaitCancelledError) or not isinstance(error, Exception):
            self._report(State.CANCELLED)
        else:
            self._report(State.FAILED)

    def lease(self) -> Lease:
        """Take the place of the next attempt."""
        self._attempts += 1
        lease = self._router.lease(self._tried)
        self._at = lease.destination
        return lease

    def refused(self, lease: Lease, refusal: Refusal) -> float | None:
        """Note a refusal; return the seconds to pause, 0 where the next destination is tried at once, None where time is up."""
        if not lease.is_last:
            self._router.rest(lease.index)
            self._tried.add(lease.index)
            self._report(State.MOVED_ON)
            return 0
        self._tried.clear()
        self._refusals += 1
        now = self._clock.now()
        left = self._wait.up_to_seconds - (now - self._started)
        if refusal.reason is not Reason.UNREACHABLE:
            self._unreachable_since = None
        else:
            if self._unreachable_since is None:
                self._unreachable_since = now
            left = min(left, self._wait.unreachable_up_to_seconds - (now - self._unreachable_since))
        return min(self._wait.pause_seconds(self._refusals), left) if left > 0 else None

    def waits(self, refusal: Refusal, copies: Copies | None) -> None:
        """Tell the caller what the request waits for."""
        state = _STATES.get(refusal.reason)
        if state is None and copies is not None:
            state = State.ASLEEP if copies.desired == 0 else State.STARTING
        self._report(State.NO_COPY if state is None else state, copies)

    def exceeded(self, refusal: Refusal, copies: Copies | None, *, may_describe: bool) -> WaitExceededError:
        """Return the error of a wait that is out of time."""
        waited = self._clock.now() - self._started
        tries = "1 attempt" if self._attempts == 1 else f"{self._attempts} attempts"
        head = f"{self._at.component} on {self._at.endpoint}: no answer after {waited:.0f} s and {tries}; no copy has seen the request"
        advice = _advice(self._at, refusal, copies, may_describe=may_describe)
        return WaitExceededError(f"{head}. {advice}", reason=refusal.reason, waited_seconds=waited)

    def _report(self, state: State, copies: Copies | None = None) -> None:
        if self._on_progress is None:
            return
        elapsed = self._clock.now() - self._started
        progress = Progress(
            state=state,
            endpoint=self._at.endpoint,
            component=self._at.component,
            attempt=self._attempts,
            elapsed_seconds=elapsed,
            remaining_seconds=max(0.0, self._wait.up_to_seconds - elapsed),
            copies=copies,
        )
        self._told = False  # a callback that raises ends the request, and is told nothing more
        self._on_progress(progress)
        self._told = not state.is_final


def _advice(at: Destination, refusal: Refusal, copies: Copies | None, *, may_describe: bool) -> str:
    """Return what was seen last, and what to look at."""
    component, endpoint = at.component, at.endpoint
    if refusal.reason is Reason.UNREACHABLE:
        return f"No connection could be made ({refusal.message}); check Region, DNS, proxy, and the VPC endpoint of sagemaker.runtime"
    if refusal.reason is Reason.THROTTLED:
        return (
            f"SageMaker throttles ({refusal.message}); send less at once, or raise the account's InvokeEndpoint quota in "
            "Service Quotas"
        )
    activities = (
        "aws application-autoscaling describe-scaling-activities --service-namespace sagemaker --resource-id "
        f"inference-component/{component}"
    )
    if copies is None:
        grant = "" if may_describe else " (allow sagemaker:DescribeInferenceComponent to see its copies here)"
        return f"The component has no copy that can answer{grant}; look at `{activities}` and at log group /aws/sagemaker/InferenceComponents/{component}"
    seen = f"It is {copies.status} with {copies.current} of {copies.desired} copies{f': {copies.failure}' if copies.failure else ''}"
    if copies.desired == 0:
        return (
            f"{seen}: nothing asked for a copy. Look at the alarm on NoCapacityInvocationFailures of the component, its action, and "
            f"`{activities}`; a component wakes only with scaling whose min_copies is 0"
        )
    return (
        f"{seen}: copies were asked for and none answers. Either there is no instance (max_instances, quota, capacity: `aws sagemaker "
        f"describe-endpoint --endpoint-name {endpoint}`) or the container does not get healthy: log group "
        f"/aws/sagemaker/InferenceComponents/{component}"
    )


class Attempts:
    """Sends requests of one client until one is answered, seen by a copy, or out of time.

    Args:
        route: Where they go.
        wait: How long.
        on_progress: What is told about waiting.
        cancel: Set by another thread, it ends waiting at once.
        session: Where credentials for describing come from.
        region: Region of the components.
        endpoint_url: Of SageMaker's API.
        clock: What the time is measured by.
    """

    def __init__(
        self,
        *,
        route: Route,
        wait: Wait,
        on_progress: OnProgress | None,
        cancel: threading.Event | None,
        session: boto3.Session,
        region: str | None,
        endpoint_url: str | None,
        clock: Clock,
    ) -> None:
        self._wait, self._on_progress, self._cancel, self._clock = wait, on_progress, cancel, clock
        self._router = Router(route, clock)
        self._watch = Watch(
            session=session,
            region=region,
            endpoint_url=endpoint_url,
            every_seconds=wait.describe_every_seconds,
            clock=clock,
        )

    def run(self, attempt: Callable[[Lease], T]) -> tuple[T, Lease]:
        """Call `attempt`, which raises `RefusedError` where no copy saw it; return its result and its place, to be released.

        Raises:
            WaitExceededError: Out of time.
            WaitCancelledError: `cancel` was set.
        """
        with self._course() as course:
            while True:
                if self._cancel is not None and self._cancel.is_set():
                    raise WaitCancelledError("cancelled before the request was sent; no copy has seen it")
                lease = course.lease()
                try:
                    return attempt(lease), lease
                except BaseException as error:
                    lease.release()
                    if not isinstance(error, RefusedError):
                        raise
                    refused = error
                if (pause := course.refused(lease, refused.refusal)) == 0:
                    continue
                copies = self._look(lease, refused.refusal)
                if pause is None:
                    raise self._exceeded(course, refused, copies) from refused.__cause__
                course.waits(refused.refusal, copies)
                self._clock.sleep(pause, self._cancel)

    async def arun(self, attempt: Callable[[Lease], Awaitable[T]]) -> tuple[T, Lease]:
        """Do the same in an event loop, whose cancellation ends it at once."""
        from anyio import to_thread

        with self._course() as course:
            while True:
                lease = course.lease()
                try:
                    return await attempt(lease), lease
                except BaseException as error:
                    lease.release()
                    if not isinstance(error, RefusedError):
                        raise
                    refused = error
                if (pause := course.refused(lease, refused.refusal)) == 0:
                    continue
                copies = await to_thread.run_sync(self._look, lease, refused.refusal, abandon_on_cancel=True)
                if pause is None:
                    raise self._exceeded(course, refused, copies) from refused.__cause__
                course.waits(refused.refusal, copies)
                await self._clock.asleep(pause)

    def close(self) -> None:
        """Close the connections for describing."""
        self._watch.close()

    def _course(self) -> Course:
        return Course(router=self._router, wait=self._wait, clock=self._clock, on_progress=self._on_progress)

    def _look(self, lease: Lease, refusal: Refusal) -> Copies | None:
        return self._watch.look(lease.destination.component) if refusal.reason is Reason.NO_CAPACITY else None

    def _exceeded(self, course: Course, refused: RefusedError, copies: Copies | None) -> WaitExceededError:
        return course.exceeded(refused.refusal, copies, may_describe=self._watch.allowed)
