"""Lambda functions: each invocation is a process with the function's code, environment and time-out, without Docker.

A test may use another runner, for example one that runs handlers in its own process.
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moto.awslambda.models import LambdaFunction

from localcloud.aws.compute import warm
from localcloud.aws.door import permissions
from localcloud.aws.hosting import logs
from localcloud.aws.settings import REPOSITORY, current

_PYTHON = """
import importlib, json, logging, os, sys, time, types, uuid
sys.path.insert(0, os.getcwd())
logging.basicConfig(format="[%(levelname)s]\\t%(asctime)s\\t%(message)s")  # Lambda's runtime has a handler, too
module, _, name = os.environ["_HANDLER"].rpartition(".")
deadline = time.monotonic() + float(os.environ["AWS_LAMBDA_FUNCTION_TIMEOUT"])
client = json.loads(os.environ.pop("LOCALCLOUD_CLIENT_CONTEXT", "null"))
context = types.SimpleNamespace(
    function_name=os.environ["AWS_LAMBDA_FUNCTION_NAME"], function_version="$LATEST",
    memory_limit_in_mb=os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], aws_request_id=str(uuid.uuid4()),
    invoked_function_arn=os.environ["LOCALCLOUD_FUNCTION_ARN"], log_group_name=os.environ["AWS_LAMBDA_LOG_GROUP_NAME"],
    log_stream_name=os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
    client_context=client and types.SimpleNamespace(**{"client": None, "env": None, "custom": None, **client}),
    get_remaining_time_in_millis=lambda: max(0, int((deadline - time.monotonic()) * 1000)))
try:
    answer = getattr(importlib.import_module(module.replace("/", ".")), name)(json.load(sys.stdin), context)
    ok, answer = True, json.dumps(answer)
except BaseException as error:
    import traceback
    traceback.print_exc()
    ok, answer = False, json.dumps({"errorMessage": str(error), "errorType": type(error).__name__})
with open(os.environ["LOCALCLOUD_ANSWER"], "w") as file:
    file.write(answer)
sys.exit(0 if ok else 1)
"""
_NODE = """
const fs = require('fs'), path = require('path'), https = require('https'), http = require('http');
// CDK's provider framework takes host and path of the response URL and always speaks TLS; here it is plain HTTP.
const request = https.request, base = new URL(process.env.AWS_ENDPOINT_URL);
https.request = (options, ...rest) => String(options.path ?? '').startsWith('/localcloud/cfn-response/')
  ? http.request({ ...options, hostname: base.hostname, port: base.port }, ...rest) : request(options, ...rest);
const cut = process.env._HANDLER.lastIndexOf('.');
const file = path.resolve(process.env._HANDLER.slice(0, cut)), name = process.env._HANDLER.slice(cut + 1);
const context = { functionName: process.env.AWS_LAMBDA_FUNCTION_NAME, awsRequestId: require('crypto').randomUUID(),
  invokedFunctionArn: process.env.LOCALCLOUD_FUNCTION_ARN, logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
  logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
  clientContext: JSON.parse(process.env.LOCALCLOUD_CLIENT_CONTEXT ?? 'null') ?? undefined,
  getRemainingTimeInMillis: () => Number(process.env.AWS_LAMBDA_FUNCTION_TIMEOUT) * 1000 };
const done = (code, answer) => { fs.writeFileSync(process.env.LOCALCLOUD_ANSWER, JSON.stringify(answer ?? null)); process.exit(code); };
(async () => require(file)[name](JSON.parse(fs.readFileSync(0, 'utf8')), context))().then(a => done(0, a),
  e => { console.error(e); done(1, { errorMessage: String(e.message ?? e), errorType: e.name ?? 'Error' }); });
"""


@dataclass(frozen=True)
class Outcome:
    """Outcome of an invocation.

    Args:
        result: Answer of the handler, or its error, as JSON.
        failed: Whether the handler failed.
        output: Lines that the function wrote.
    """

    result: str
    failed: bool = False
    output: str = ""


Runner = Callable[[Any, str], Outcome]
"""Runs one invocation, given moto's function and the event as JSON."""


def run_in_a_subprocess(function: Any, event: str, client_context: dict[str, Any] | None = None) -> Outcome:
    """Run the handler in a process of its own (Python: a fork, see `warm`), with the function's environment, and end it at the function's time-out.

    Args:
        function: moto's function.
        event: Event of the invocation, as JSON.
        client_context: What the function finds as its context's client context: client, custom and env. Default: none.
    """
    folder = current().folder / "lambdas" / f"{function.function_name}-{os.urandom(4).hex()}"
    code = folder / "task"
    code.mkdir(parents=True)
    try:
        unpack(function.code_bytes, code)
        answer = folder / "answer.json"
        node = str(function.run_time).startswith("nodejs")
        ended = (_run_node if node else _run_python)(
            code, environment(function, answer, client_context), event, float(function.timeout)
        )
        if ended.late:
            message = f"Task timed out after {function.timeout}.00 seconds"
            return Outcome(_error("Sandbox.Timedout", message), failed=True, output=ended.output)
        result = answer.read_text() if answer.exists() else _error("Runtime.ExitError", f"exit status {ended.status}")
        return Outcome(result, failed=ended.status != 0, output=ended.output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_python(code: Path, variables: dict[str, str], event: str, timeout_s: float) -> warm.Ended:
    """Run a Python function in a fork; in a new process if it sets variables that Python reads at start, or if forking is unsafe."""
    if sys.platform != "linux" or any(
        name.startswith("PYTHON") for name in variables.keys() - {"PYTHONDONTWRITEBYTECODE"}
    ):
        return _run_alone([sys.executable, "-c", _PYTHON], code, variables, event, timeout_s)
    return warm.parent().run(_PYTHON, folder=code, environment=variables, event=event, timeout_s=timeout_s)


def _run_node(code: Path, variables: dict[str, str], event: str, timeout_s: float) -> warm.Ended:
    return _run_alone([str(Path(sys.executable).parent / "node"), "-e", _NODE], code, variables, event, timeout_s)


def _run_alone(program: list[str], code: Path, variables: dict[str, str], event: str, timeout_s: float) -> warm.Ended:
    try:
        process = subprocess.run(
            program,
            cwd=code,
            env=variables,
            input=event,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        output = expired.stdout.decode(errors="replace") if expired.stdout else ""
        return warm.Ended(status=-9, late=True, output=output)
    return warm.Ended(status=process.returncode, late=False, output=process.stdout)


_runner: Runner = run_in_a_subprocess


def use_runner(runner: Runner) -> Runner:
    """Run invocations with another runner; return the previous one."""
    global _runner
    before, _runner = _runner, runner
    return before


def invoke(
    function: LambdaFunction, event: Any = None, *, client_context: dict[str, Any] | None = None
) -> tuple[str, bool, str]:
    """Run a function in place of moto's Docker container; return the answer as JSON, whether it failed, and the output.

    Args:
        function: The function.
        event: Event of the invocation, as JSON text or as the parsed value.
        client_context: What the function finds as its context's client context; such an invocation always runs in a process of its own.
            Default: none.
    """
    text = event if isinstance(event, str) else json.dumps(event or {})
    done = _runner(function, text) if client_context is None else run_in_a_subprocess(function, text, client_context)
    lines = done.output or (done.result if done.failed else "")  # an answer may contain what must not be logged
    if logs.may_log(function.role, function.account_id, function.region, function.logs_group_name):
        function.logs_backend.ensure_log_group(function.logs_group_name)
        if lines:
            function.save_logs(lines)
    return done.result, done.failed, done.output


def _error(kind: str, message: str) -> str:
    return json.dumps({"errorMessage": message, "errorType": kind})


def unpack(archive: bytes, folder: Path) -> None:
    """Unpack the code of a function."""
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        packed.extractall(folder)


def environment(function: Any, answer: Path, client_context: dict[str, Any] | None = None) -> dict[str, str]:
    """Environment variables of an invocation whose answer goes to this file."""
    variables = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONDONTWRITEBYTECODE": "1",
        # Lambda's runtime has the SDK for JavaScript; here npm's packages replace it, if they contain it.
        "NODE_PATH": os.environ.get("LOCALCLOUD_NODE_PATH", str(REPOSITORY / "node_modules")),
        "_HANDLER": str(function.handler),
        "LAMBDA_TASK_ROOT": str(answer.parent / "task"),
        "AWS_LAMBDA_FUNCTION_NAME": str(function.function_name),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
        "AWS_LAMBDA_LOG_GROUP_NAME": str(function.logs_group_name),
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.run_time}",
        "AWS_REGION": str(function.region),
        "AWS_DEFAULT_REGION": str(function.region),
        **(permissions.session_of(str(function.role), str(function.region)) or current().credentials.environment),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": current().base_url,
        "AWS_ENDPOINT_URL_S3": current().base_url,
        "LOCALCLOUD_FUNCTION_ARN": str(function.function_arn),
        "LOCALCLOUD_ANSWER": str(answer),
    }
    if client_context is not None:
        variables["LOCALCLOUD_CLIENT_CONTEXT"] = json.dumps(client_context)
    return variables | {name: str(value) for name, value in function.environment_vars.items()}


def _invoke_function(self: LambdaFunction, body: str, request_headers: Any, response_headers: Any) -> str | bytes:
    """Invoke: answer with the function's result; an Event invocation is answered before it runs."""
    event = json.loads(body) if body else {}
    if request_headers.get("x-amz-invocation-type", "RequestResponse") == "Event":
        threading.Thread(target=self._invoke_lambda, args=(event,), daemon=True).start()
        return ""
    context = request_headers.get("x-amz-client-context")
    result, failed, output = invoke(
        self, event, client_context=json.loads(base64.b64decode(context)) if context else None
    )
    if failed:
        response_headers["x-amz-function-error"] = "Unhandled"
    response_headers["x-amz-log-result"] = base64.b64encode(output.encode()[-4096:]).decode()
    return str(result).encode()


def install() -> None:
    """Replace moto's way of running functions by this one."""
    LambdaFunction._invoke_lambda = invoke
    LambdaFunction.invoke = _invoke_function
