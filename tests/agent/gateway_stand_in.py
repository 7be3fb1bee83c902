"""A stand-in for AgentCore's gateway: MCP over HTTP, SigV4 checked, in front of the clinical tools' own handler and schemas.

The table and the bucket behind the handler are stand-ins too, of the four calls that it makes; `tests/runtime/clinical` runs it on moto's.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import sys
import types
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.agent.stand_in import Request, Response

ROOT = Path(__file__).parents[2]
CLINICAL = ROOT / "constructs" / "cdk_sglang" / "_runtime" / "clinical"
TARGET = "clinical"
_NUMBERS = itertools.count()

ANA = {
    "patient_id": "p-0123456789ab",
    "name": "Ana Quillfeather",
    "birth_date": "1961-04-30",
    "allergies": ["zorbicillin"],
}
BRUNO = {"patient_id": "p-0123456789ac", "name": "Bruno Osterhagen", "birth_date": "1990-01-02"}


def _handler() -> Any:
    """The tools' code under a name of its own, so that its table and bucket are nobody else's."""
    name = f"clinical_of_a_stand_in_{next(_NUMBERS)}"
    spec = importlib.util.spec_from_file_location(
        name, CLINICAL / "__init__.py", submodule_search_locations=[str(CLINICAL)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return importlib.import_module(f"{name}.handler")


class _Table:
    """Stand-in for the table of patients."""

    def __init__(self) -> None:
        self._items = [
            {
                **patient,
                "name_prefix": patient["name"].split()[-1].lower()[:3],
                "name_lower": str(patient["name"]).lower(),
            }
            for patient in (ANA, BRUNO)
        ]

    def get_item(self, *, Key: dict[str, str], **_: Any) -> dict[str, Any]:
        found = [item for item in self._items if item["patient_id"] == Key["patient_id"]]
        return {"Item": found[0]} if found else {}

    def query(self, *, ExpressionAttributeValues: dict[str, str], **_: Any) -> dict[str, Any]:
        return {"Items": [item for item in self._items if item["name_prefix"] == ExpressionAttributeValues[":prefix"]]}


class _Bucket:
    """Stand-in for S3: keeps what was put, once."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}

    def put_object(self, **request: Any) -> dict[str, Any]:
        if request["Key"] in self.objects:
            raise ClientError({"Error": {"Code": "PreconditionFailed", "Message": ""}}, "PutObject")
        self.objects[request["Key"]] = request
        return {"VersionId": "1"}

    def head_object(self, *, Key: str, **_: Any) -> dict[str, Any]:
        return {"VersionId": "1", "Metadata": self.objects[Key]["Metadata"]}


class GatewayStandIn:
    def __init__(self) -> None:
        self.bucket = _Bucket()
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.status = 0
        """HTTP status with which every request is refused; 0 for none."""
        self.refuses_calls = False
        """Whether tool calls are, and nothing else."""
        handler = _handler()
        table, place = _Table(), handler.reports.Place(bucket="reports", prefix="reports/", key_arn="arn:key")
        handler._table, handler._s3, handler._place = (lambda: table), (lambda: self.bucket), (lambda: place)
        self._handle = handler.handler

    def reset(self) -> None:
        self.bucket.objects.clear()
        self.calls.clear()
        self.status, self.refuses_calls = 0, False

    def __call__(self, request: Request) -> Response:
        if request.path != "/mcp":
            return Response.of({"message": "not found"}, 404)
        if self.status or request.signed_for() != "bedrock-agentcore":
            return Response.of({"message": "Authorization error"}, self.status or 403)
        if request.method != "POST":
            return Response.of({}, 405)
        message = request.json
        if "id" not in message:
            return Response(202, {}, ())
        if message["method"] == "tools/call" and self.refuses_calls:
            return Response.of({"message": "Authorization error"}, 403)
        return Response.of({"jsonrpc": "2.0", "id": message["id"], "result": self._result(message)})

    def _result(self, message: dict[str, Any]) -> dict[str, Any]:
        parameters = message.get("params") or {}
        if message["method"] == "initialize":
            info = {"name": "gateway", "version": "1"}
            return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
        if message["method"] == "tools/list":
            tools = json.loads((CLINICAL / "tools.json").read_text(encoding="utf-8"))["tools"]
            return {"tools": [{**tool, "name": f"{TARGET}___{tool['name']}"} for tool in tools]}
        if message["method"] != "tools/call":
            return {}
        name, arguments = parameters["name"], parameters.get("arguments") or {}
        self.calls.append((name, arguments))
        custom = {"bedrockAgentCoreToolName": name, "bedrockAgentCoreMessageVersion": "1.0"}
        context = types.SimpleNamespace(client_context=types.SimpleNamespace(custom=custom))
        result = self._handle(arguments, context)
        if result.get("isError"):
            return result
        return {"content": [{"type": "text", "text": json.dumps(result)}], "isError": False}
