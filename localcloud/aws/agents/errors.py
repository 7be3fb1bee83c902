"""Errors of AgentCore's APIs, with the HTTP status that their service models have (botocore 1.44.5)."""

from __future__ import annotations

import json
from typing import Final

from werkzeug.wrappers import Response

_STATUS: Final = {
    "ValidationException": 400,
    "AccessDeniedException": 403,
    "ResourceNotFoundException": 404,
    "ConflictException": 409,
    "RuntimeClientError": 424,
    "ThrottlingException": 429,
    "InternalServerException": 500,
}


class AgentCoreError(Exception):
    """Error response of AgentCore.

    Args:
        code: Name of the error in the service model.
        message: Message for the caller.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def response(self) -> Response:
        """Return the error as boto3 expects it."""
        body = {"message": self.message} | ({"reason": "CannotParse"} if self.code == "ValidationException" else {})
        response = Response(json.dumps(body), status=_STATUS[self.code], content_type="application/json")
        response.headers["x-amzn-ErrorType"] = self.code
        return response


def not_found(what: str, name: str) -> AgentCoreError:
    """Error for a resource that does not exist."""
    return AgentCoreError("ResourceNotFoundException", f"{what} '{name}' was not found")
