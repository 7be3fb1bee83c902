"""InvokeEndpoint and InvokeEndpointWithResponseStream through boto3, waiting for a copy."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError

from .answers import ChatReader, listed_answer, ranked_answer, whole_answer
from .attempts import Attempts
from .failures import Reason, Refusal, RefusedError, is_certificate_problem, service_refusal
from .progress import OnProgress
from .route import Lease, Route
from .streams import LeasedStream, payload
from .tracing import with_traceparent
from .wait import Clock, SystemClock, Wait

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

T = TypeVar("T")
_DEFAULT_WAIT: Final = Wait()
READ_TIMEOUT_SECONDS: Final = 75
"""SageMaker gives a container 60 s for an answer, or for the first part of a stream
(https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html, read 2026-11)."""
_NEVER_SENT: Final = (EndpointConnectionError, ConnectTimeoutError)
"""botocore 1.44.5, httpsession.py: a refused connection, a name that does not resolve, a connect timeout. ConnectionClosedError and
ReadTimeoutError come after the request was sent."""


class InferenceClient:
    """A component, or a route, as a boto3 client that waits until a copy can answer.

    boto3's own retries are off (`total_max_attempts` 1): its standard mode repeats a read timeout, a broken connection and every
    500, 502, 503 and 504, though a copy may be at work on the request (botocore 1.44.5, retries/standard.py).

    Safe to use from many threads. In a program that uses OpenTelemetry, a request carries the current span to the container
    (`traceparent` in CustomAttributes).

    Args:
        endpoint: SageMaker's name of the endpoint, for example prod-chat; needs `component`.
        component: SageMaker's name of the inference component or adapter, for example prod-chat-llama.
        route: Several destinations behind one name (`Route.load`), instead of endpoint and component.
        region: Region of the endpoint; that of the session by default.
        wait: Limits of a request's wait.
        on_progress: Called while a request waits, for example `ProgressLine()`; no progress is reported by default.
        cancel: Ends a wait with `WaitCancelledError` when any thread sets it. Ctrl-C ends a wait in any case.
        session: Source of the credentials; boto3's default chain by default.
        endpoint_url: Address of SageMaker and its runtime; AWS's own, or AWS_ENDPOINT_URL, by default.
        read_timeout_seconds: Longest time between two parts of an answer; 75 by default.
        max_connections: Requests at once; further ones wait for a connection.
        clock: Clock of the wait, for tests; the system's by default.

    Raises:
        ValueError: Neither endpoint and component nor a route are given, or both are.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        component: str | None = None,
        *,
        route: Route | None = None,
        region: str | None = None,
        wait: Wait = _DEFAULT_WAIT,
        on_progress: OnProgress | None = None,
        cancel: threading.Event | None = None,
        session: boto3.Session | None = None,
        endpoint_url: str | None = None,
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
        max_connections: int = 50,
        clock: Clock | None = None,
    ) -> None:
        session = session if session is not None else boto3.Session()
        config = Config(
            connect_timeout=5,
            read_timeout=read_timeout_seconds,
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=max_connections,
        )
        chosen = route_of(endpoint, component, route)
        self._runtime: SageMakerRuntimeClient = session.client(
            "sagemaker-runtime", region_name=region, endpoint_url=endpoint_url, config=config
        )
        self._attempts = Attempts(
            route=chosen,
            wait=wait,
            on_progress=on_progress,
            cancel=cancel,
            session=session,
            region=region,
            endpoint_url=endpoint_url,
            clock=clock if clock is not None else SystemClock(),
        )

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        """Call InvokeEndpoint with boto3's parameters; endpoint and component are filled in.

        Args:
            request: boto3's parameters of InvokeEndpoint.

        Raises:
            WaitExceededError: No copy took the request in time.
            WaitCancelledError: `cancel` was set.
            botocore.exceptions.ClientError: Any other error of SageMaker or the model; never retried.
        """
        answer, lease = self._send(self._runtime.invoke_endpoint, request)
        lease.release()
        return answer

    def invoke_endpoint_with_response_stream(self, **request: Any) -> dict[str, Any]:
        """Call InvokeEndpointWithResponseStream with boto3's parameters; a stream that has begun is never restarted.

        Args:
            request: boto3's parameters of InvokeEndpointWithResponseStream.

        Raises:
            WaitExceededError: No copy took the request in time.
            WaitCancelledError: `cancel` was set.
            botocore.exceptions.ClientError: Any other error of SageMaker or the model, also from inside the stream as EventStreamError.
        """
        answer, lease = self._send(self._runtime.invoke_endpoint_with_response_stream, request)
        return {**answer, "Body": LeasedStream(answer["Body"], lease)}

    def chat(self, messages: Sequence[Mapping[str, Any]], **options: Any) -> dict[str, Any]:
        """Ask a question in the OpenAI chat format; return the whole answer.

        Args:
            messages: Messages of the chat, for example [{"role": "user", "content": "…"}].
            options: Further members of the body, for example max_tokens.

        Raises:
            AnswerError: The response is an error, or not an answer.
        """
        return whole_answer(*self._ask({"messages": list(messages), **options}))

    def stream_chat(self, messages: Sequence[Mapping[str, Any]], **options: Any) -> Iterator[dict[str, Any]]:
        """Ask a question in the OpenAI chat format; yield the answer's chunks as they arrive.

        Args:
            messages: As for `chat`.
            options: As for `chat`.

        Raises:
            AnswerError: The answer ends with an error or before its end mark, or is not a stream; earlier chunks were yielded.
        """
        body = json.dumps({"messages": list(messages), **options, "stream": True})
        answer = self.invoke_endpoint_with_response_stream(Body=body, ContentType="application/json")
        stream: LeasedStream = answer["Body"]
        reader = ChatReader(stream.place)
        try:
            for part in payload(stream, reader):
                for chunk, _ in reader.feed(part):
                    yield chunk
                if reader.is_done:
                    return
            reader.finish()
        finally:
            stream.close()

    def complete(self, prompt: str, **options: Any) -> dict[str, Any]:
        """Let a component whose task is completion continue a text; return the whole answer, in OpenAI's format of completions.

        Args:
            prompt: Beginning of the text.
            options: Further members of the body, for example max_tokens.

        Raises:
            AnswerError: The response is an error, or not an answer.
        """
        return whole_answer(*self._ask({"prompt": prompt, **options}))

    def embed(self, texts: str | Sequence[str], **options: Any) -> list[list[float]]:
        """Ask a component whose task is embedding for a vector of each text; a single text is a list of one.

        Args:
            texts: The texts, up to 2,048 of them.
            options: Further members of the body, for example dimensions.

        Raises:
            AnswerError: The response is an error, or does not have one vector for each text.
        """
        inputs = [texts] if isinstance(texts, str) else list(texts)
        place, body = self._ask({"input": inputs, **options})
        return [entry["embedding"] for entry in listed_answer(place, body, of="embedding", count=len(inputs))]

    def classify(self, texts: str | Sequence[str], **options: Any) -> list[dict[str, Any]]:
        """Ask a component whose task is classify for the class of each text: its label, and the probability of each class in probs.

        Args:
            texts: The texts.
            options: Further members of the body.

        Raises:
            AnswerError: The response is an error, or does not have one class for each text.
        """
        inputs = [texts] if isinstance(texts, str) else list(texts)
        place, body = self._ask({"input": inputs, **options})
        return listed_answer(place, body, of="probs", count=len(inputs))

    def rerank(self, query: str, documents: Sequence[str], **options: Any) -> list[dict[str, Any]]:
        """Ask a component whose task is rerank how well documents answer a query; the best is first, each with its score and its index.

        Args:
            query: The query.
            documents: The documents.
            options: Further members of the body, for example top_n or instruct.

        Raises:
            AnswerError: The response is an error, or not a list of scores.
        """
        return ranked_answer(*self._ask({"query": query, "documents": list(documents), **options}))

    def close(self) -> None:
        """Close the connections."""
        self._runtime.close()
        self._attempts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, body: Mapping[str, Any]) -> tuple[str, bytes]:
        """Send a body; return the component and endpoint that answered, in words, and the answer."""
        request = {"Body": json.dumps(body), "ContentType": "application/json"}
        answer, lease = self._send(self._runtime.invoke_endpoint, request)
        lease.release()
        return str(lease.destination), answer["Body"].read()

    def _send(self, operation: Callable[..., Any], request: Mapping[str, Any]) -> tuple[dict[str, Any], Lease]:
        attributes = with_traceparent(request.get("CustomAttributes"))
        if attributes is not None:
            request = {**request, "CustomAttributes": attributes}

        def attempt(lease: Lease) -> dict[str, Any]:
            destination = lease.destination
            try:
                return dict(
                    operation(
                        **{
                            **request,
                            "EndpointName": destination.endpoint,
                            "InferenceComponentName": destination.component,
                        }
                    )
                )
            except (ClientError, *_NEVER_SENT) as error:
                refusal = refusal_of(error)
                if refusal is None or (refusal.reason is Reason.MISSING and lease.is_last):
                    raise
                raise RefusedError(refusal) from error

        return self._attempts.run(attempt)


def refusal_of(error: Exception) -> Refusal | None:
    """Return the refusal that an error of boto3 means; None if a copy may have seen the request."""
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        return service_refusal(details.get("Code", ""), details.get("Message", ""))
    if isinstance(error, _NEVER_SENT) and not is_certificate_problem(error):
        return Refusal(reason=Reason.UNREACHABLE, message=str(error))
    return None


def route_of(endpoint: str | None, component: str | None, route: Route | None) -> Route:
    """Return the route, or a route with one destination for an endpoint and a component.

    Raises:
        ValueError: Neither endpoint and component nor a route are given, or both are.
    """
    if route is not None and endpoint is None and component is None:
        return route
    if route is None and endpoint and component:
        return Route.to(endpoint, component)
    raise ValueError(
        f"give endpoint and component, or a route; got endpoint={endpoint!r}, component={component!r}, route={route!r}"
    )
