"""Answers of AWS that a test puts on the wire, below botocore's parsers."""

from __future__ import annotations

import json
from typing import Any

from botocore.awsrequest import AWSResponse


def refuse(client: Any, operation: str, status: int, code: str, message: str = "no") -> None:
    """Have AWS refuse one operation, on the wire."""
    body = json.dumps({"__type": code, "message": message}).encode()

    class Raw:
        def stream(self, **_: object) -> Any:
            yield body

    def answer(request: Any, **_: object) -> Any:
        headers = {"x-amzn-errortype": code, "content-type": "application/x-amz-json-1.1"}
        return AWSResponse(request.url, status, headers, Raw())

    client.meta.events.register(f"before-send.*.{operation}", answer)
