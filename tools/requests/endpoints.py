"""Send random requests to a component as callers of AWS do: by InvokeEndpoint, or as a response stream."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, EventStreamError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

    from tools.requests.strategies import Body


class EndpointTarget:
    """A component of an endpoint; the path of a request is left out, since SageMaker sends all to `/invocations`.

    Args:
        runtime: Client of sagemaker-runtime, without retries.
        endpoint: Name of the endpoint.
        component: Name of the component.
    """

    def __init__(self, runtime: SageMakerRuntimeClient, endpoint: str, component: str) -> None:
        self._runtime = runtime
        self._where = {"EndpointName": endpoint, "InferenceComponentName": component}

    def __call__(self, body: Body) -> tuple[int, bytes]:
        """Send a request; one that asks for a stream is sent as InvokeEndpointWithResponseStream.

        Returns:
            Status and content of the container's answer; of an error of SageMaker's own, its status and message.

        Raises:
            OSError: No answer came in time, or the connection broke.
        """
        request: Any = {**self._where, "ContentType": "application/json", "Body": body.content}
        try:
            if _streams(body.content):
                events = self._runtime.invoke_endpoint_with_response_stream(**request)["Body"]
                return 200, b"".join(event["PayloadPart"]["Bytes"] for event in events)
            answer = self._runtime.invoke_endpoint(**request)
            return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Body"].read()
        except EventStreamError as error:
            return 500, str(error).encode()
        except ClientError as error:
            response: Any = error.response
            if "OriginalStatusCode" in response:
                return response["OriginalStatusCode"], response["OriginalMessage"].encode()
            return response["ResponseMetadata"]["HTTPStatusCode"], str(error).encode()
        except BotoCoreError as error:
            raise OSError(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Do nothing: the client keeps its connections."""


def _streams(content: bytes) -> bool:
    with suppress(ValueError, RecursionError):
        body = json.loads(content)
        return isinstance(body, dict) and body.get("stream") is True
    return False
