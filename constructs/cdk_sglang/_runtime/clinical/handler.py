"""The Lambda function of the tools, which AgentCore's gateway invokes with one tool per call.

The event holds the bare arguments; the name of the tool is in the client context, after the target's name and three underscores
(https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/gateway-add-target-lambda.html, read 2026-11).

Its role needs dynamodb:GetItem on the table, dynamodb:Query on the index, s3:PutObject and s3:GetObject (which HeadObject asks for) on the prefix of the
reports, and kms:GenerateDataKey and kms:Decrypt with the key.
"""

from __future__ import annotations

import json
import logging
import os
import time
from functools import cache
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from . import patients, reports
from .arguments import SCHEMAS, problems_of
from .refused import ToolRefusedError

logger = logging.getLogger("clinical")
logger.setLevel(logging.INFO)

_SEPARATOR: Final = "___"
_CONFIG: Final = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
"""Three attempts of at most 8 s each: less than the function's 29 s."""


def handler(event: object, context: Any) -> dict[str, Any]:
    """Run the tool named in the client context; every outcome is a result that the model can read and contains none of the arguments."""
    start = time.monotonic()
    tool = _tool(context)
    try:
        answer, code = _run(tool, event), "ok"
    except ToolRefusedError as refused:
        answer, code = _error(refused.code, refused.text), refused.code
    except (ClientError, BotoCoreError) as error:
        code = "unavailable"
        answer = _error(code, "the service is not available now; try again, or hand over to a clinician")
        logger.warning(json.dumps({"tool": tool, "error": _kind(error)}))
    milliseconds = round((time.monotonic() - start) * 1000)
    logger.info(json.dumps({"tool": tool, "outcome": code, "milliseconds": milliseconds}))
    return answer


def _run(tool: str, arguments: object) -> dict[str, Any]:
    if tool not in SCHEMAS:
        raise ToolRefusedError("unknown-tool", f"there is no such tool; use one of {', '.join(SCHEMAS)}")
    if problems := problems_of(tool, arguments):
        raise ToolRefusedError("bad-arguments", "; ".join(problems))
    assert isinstance(arguments, dict)
    table = _table()
    if tool == "patient_search":
        return patients.search(table, arguments["query"], birth_date=arguments.get("birth_date"))
    patient_id = arguments["patient_id"]
    if not patients.exists(table, patient_id):
        raise ToolRefusedError("unknown-patient", "there is no such patient; search for the patient first")
    return reports.save(
        _s3(),
        _place(),
        patient_id=patient_id,
        form=arguments["format"],
        content=arguments["content"],
        idempotency_key=arguments["idempotency_key"],
    )


def _tool(context: Any) -> str:
    custom = getattr(getattr(context, "client_context", None), "custom", None) or {}
    name = str(custom.get("bedrockAgentCoreToolName", "")).split(_SEPARATOR, 1)[-1]
    return name if name in SCHEMAS else "unknown"


def _error(code: str, text: str) -> dict[str, Any]:
    return {"isError": True, "content": [{"type": "text", "text": f"{code}: {text}"}]}


def _kind(error: ClientError | BotoCoreError) -> str:
    return str(error.response.get("Error", {}).get("Code")) if isinstance(error, ClientError) else type(error).__name__


@cache
def _table() -> Any:
    return boto3.resource("dynamodb", config=_CONFIG).Table(os.environ["PATIENTS_TABLE"])


@cache
def _s3() -> Any:
    return boto3.client("s3", config=_CONFIG)


@cache
def _place() -> reports.Place:
    return reports.Place(
        bucket=os.environ["REPORTS_BUCKET"],
        prefix=os.environ.get("REPORTS_PREFIX", "reports/"),
        key_arn=os.environ["KEY_ARN"],
    )
