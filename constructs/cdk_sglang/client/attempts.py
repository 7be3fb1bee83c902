"""Attempts of a request: the destination of the next attempt, the pause before it, and the end of the wait."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Final, Self, TypeVar

import boto3

from .errors import WaitCancelledError, WaitExceededError
from .failures import Reason, Refusal, RefusedError
from .progress import Copies, OnProgress, Progress, State
from .route import Destination, Lease, Route, Router
from .wait import Clock, Wait
from .watch import Watch

T = TypeVar("T")
_STATES: Final = {Reason.THROTTLED: State.THROTTLED, Reason.UNREACHABLE: State.UNREACHABLE}


class Course:
    """State of one request's attempts; as a context manager it reports to the caller how a wait ended."""

    def __init__(self, *, router: Router, wait: Wait, clock: Clock, on_progress: OnProgress | None) -> None:
        self._router, self._wait, self._clock, self._on_progress = router, wait, clock, on_progress
        self._start = clock.now()
        self._unreachable_since: float | None = None
        self._attempts = self._refusals = 0
        self._tried: set[int] = set()
        self._destination: Destination = router.route.destinations[-1]
        self._has_reported_wait = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if not self._has_reported_wait:
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
        """Take a place at the next attempt's destination."""
        self._attempts += 1
        lease = self._router.lease(self._tried)
        self._destination = lease.destination
        return lease

    def refused(self, lease: Lease, refusal: Refusal) -> float | None:
        """Note a refusal; return the pause in seconds, 0 to try the next destination at once, None if the time is up."""
        if not lease.is_last:
            self._router.rest(lease.index)
            self._tried.add(lease.index)
            self._report(State.MOVED_ON)
            return 0
        self._tried.clear()
        self._refusals += 1
        now = self._clock.now()
        left = self._wait.up_to_seconds - (now - self._start)
        if refusal.reason is not Reason.UNREACHABLE:
            self._unreachable_since = None
        else:
            if self._unreachable_since is None:
                self._unreachable_since = now
            left = min(left, self._wait.unreachable_up_to_seconds - (now - self._unreachable_since))
        return min(self._wait.pause_seconds(self._refusals), left) if left > 0 else None

    def report_wait(self, refusal: Refusal, copies: Copies | None) -> None:
        """Report to the caller the reason of the wait."""
        state = _STATES.get(refusal.reason)
        if state is None and copies is not None:
            state = State.ASLEEP if copies.desired == 0 else State.STARTING
        self._report(State.NO_COPY if state is None else state, copies)

    def exceeded_error(self, refusal: Refusal, copies: Copies | None, *, may_describe: bool) -> WaitExceededError:
        """Return the error of a wait whose time is up."""
        elapsed = self._clock.now() - self._start
        attempts = "1 attempt" if self._attempts == 1 else f"{self._attempts} attempts"
        head = f"{self._destination.component} on {self._destination.endpoint}: no answer after {elapsed:.0f} s and {attempts}; no copy has seen the request"
        advice = _advice(self._destination, refusal, copies, may_describe=may_describe)
        return WaitExceededError(f"{head}. {advice}", reason=refusal.reason, waited_seconds=elapsed)

    def _report(self, state: State, copies: Copies | None = None) -> None:
        if self._on_progress is None:
            return
        elapsed = self._clock.now() - self._start
        progress = Progress(
            state=state,
            endpoint=self._destination.endpoint,
            component=self._destination.component,
            attempt=self._attempts,
            elapsed_seconds=elapsed,
            remaining_seconds=max(0.0, self._wait.up_to_seconds - elapsed),
            copies=copies,
        )
        self._has_reported_wait = False  # a callback that raises ends the request, and is not called again
        self._on_progress(progress)
        self._has_reported_wait = not state.is_final


def _advice(destination: Destination, refusal: Refusal, copies: Copies | None, *, may_describe: bool) -> str:
    """Return the last known state of the component, and where to look next."""
    component, endpoint = destination.component, destination.endpoint
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
    state = f"It is {copies.status} with {copies.current} of {copies.desired} copies{f': {copies.failure}' if copies.failure else ''}"
    if copies.desired == 0:
        return (
            f"{state}: no copy was requested. Look at the alarm on NoCapacityInvocationFailures of the component, its action, and "
            f"`{activities}`; a component wakes only with scaling whose min_copies is 0"
        )
    return (
        f"{state}: copies were requested and none answers. Either there is no instance (max_instances, quota, capacity: `aws sagemaker "
        f"describe-endpoint --endpoint-name {endpoint}`) or the container does not become healthy: log group "
        f"/aws/sagemaker/InferenceComponents/{component}"
    )


class Attempts:
    """Sends each request of one client until it is answered, a copy has seen it, or its time is up.

    Args:
        route: Destinations of the requests.
        wait: Limits of the wait.
        on_progress: Called while a request waits; None for no calls.
        cancel: Ends a wait at once when another thread sets it.
        session: Source of the credentials for DescribeInferenceComponent.
        region: Region of the components.
        endpoint_url: Address of SageMaker's API.
        clock: Clock of the wait.
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
        """Call `attempt` until it succeeds; return its result and its lease, which the caller releases.

        Args:
            attempt: Sends the request; raises `RefusedError` if no copy has seen it.

        Raises:
            WaitExceededError: The time is up.
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
                    refused_error = error
                if (pause := course.refused(lease, refused_error.refusal)) == 0:
                    continue
                copies = self._look(lease, refused_error.refusal)
                if pause is None:
                    raise self._exceeded(course, refused_error, copies) from refused_error.__cause__
                course.report_wait(refused_error.refusal, copies)
                self._clock.sleep(pause, self._cancel)

    async def arun(self, attempt: Callable[[Lease], Awaitable[T]]) -> tuple[T, Lease]:
        """Do the same as `run` in an event loop; cancelling the task ends the wait at once."""
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
                    refused_error = error
                if (pause := course.refused(lease, refused_error.refusal)) == 0:
                    continue
                copies = await to_thread.run_sync(self._look, lease, refused_error.refusal, abandon_on_cancel=True)
                if pause is None:
                    raise self._exceeded(course, refused_error, copies) from refused_error.__cause__
                course.report_wait(refused_error.refusal, copies)
                await self._clock.asleep(pause)

    def close(self) -> None:
        """Close the connections of DescribeInferenceComponent."""
        self._watch.close()

    def _course(self) -> Course:
        return Course(router=self._router, wait=self._wait, clock=self._clock, on_progress=self._on_progress)

    def _look(self, lease: Lease, refusal: Refusal) -> Copies | None:
        return self._watch.look(lease.destination.component) if refusal.reason is Reason.NO_CAPACITY else None

    def _exceeded(self, course: Course, refused_error: RefusedError, copies: Copies | None) -> WaitExceededError:
        return course.exceeded_error(refused_error.refusal, copies, may_describe=self._watch.allowed)
