"""Functions of custom resources: what their roles may do is asked before each request, and those that need nothing outside AWS really run.

They run in this process, with clients whose credentials are a session of their role, so that a call is refused as IAM would. The others check
what is not here: weights, engines that answer, builds. The actions that their code names are asked about one by one.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import logging
import os
import sys
import threading
import types
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

import boto3
import botocore.session
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from moto.awslambda.models import LambdaFunction
from moto.awslambda.utils import get_backend
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from localcloud.aws.compute import functions
from localcloud.aws.door import permissions
from localcloud.aws.settings import current
from tools.check.relations.calls import calls

RUN: Final = frozenset({"Custom::CdkSglangCopies", "Custom::CdkSglangEmptied", "Custom::CdkSglangReservation"})
"""Types whose functions run: they ask SageMaker, CloudFormation and S3 alone."""

_ON_EVENT: Final = "USER_ON_EVENT_FUNCTION_ARN"
_IS_COMPLETE: Final = "USER_IS_COMPLETE_FUNCTION_ARN"
_WAITER: Final = "WAITER_STATE_MACHINE_ARN"
"""Variables in which CDK's provider framework has what it calls."""

_HANDLER_ENDINGS: Final = (".py", ".js", ".mjs", ".cjs")
_loader: Final = Loader()
"""Service models, read once for the clients of all invocations."""

_alone: Final = threading.Lock()


def called(function: LambdaFunction) -> list[LambdaFunction]:
    """Return the functions behind a custom resource: that of its token, and those that CDK's framework calls from there."""
    backend = get_backend(function.account_id, function.region)
    named = [function.environment_vars.get(name) for name in (_ON_EVENT, _IS_COMPLETE)]
    return [function, *(backend.get_function(name) for name in named if name)]


def problem(function: LambdaFunction, assembly: Path) -> str:
    """Return why the functions of a custom resource could not start, not call each other, or not do what their code does; empty if they could.

    Args:
        function: The function of the service token.
        assembly: Cloud assembly with the functions' code.
    """
    some = called(function)
    return next((line for one in some for line in (_unstartable(one), *_denied(one, assembly)) if line), "")


def _unstartable(function: LambdaFunction) -> str:
    module = str(function.handler).rpartition(".")[0]
    with zipfile.ZipFile(io.BytesIO(function.code_bytes)) as code:
        files = set(code.namelist())
    if files & {module.replace(".", "/") + ending for ending in _HANDLER_ENDINGS}:
        return ""
    return f"Unable to import module '{module}': the code of {function.function_name} has no such file"


def _denied(function: LambdaFunction, assembly: Path) -> Iterator[str]:
    """Yield the actions that a function needs and its role does not allow at this moment."""
    role = str(function.role)
    variables = function.environment_vars
    for name in (_ON_EVENT, _IS_COMPLETE):
        for action in ("lambda:InvokeFunction", "lambda:GetFunction") if name in variables else ():
            if not permissions.allows(role, action, str(variables[name])):
                yield f"{role} is not authorized to perform: {action} on resource: {variables[name]}"
    if _WAITER in variables:
        machine = str(variables[_WAITER])
        if not permissions.allows(role, "states:StartExecution", machine):
            yield f"{role} is not authorized to perform: states:StartExecution on resource: {machine}"
        yield from _waiter_denied(function, machine)
    code = {"Code": {"S3Key": function.code.get("S3Key")}, "Handler": function.handler}
    for choice in calls(code, assembly):
        if not any(permissions.allows(role, action) for action in choice):
            yield f"{role} is not authorized to perform: {' or '.join(sorted(choice))}, which the code of {function.function_name} calls"


def _waiter_denied(function: LambdaFunction, arn: str) -> Iterator[str]:
    """Yield the functions that the framework's state machine calls and its role does not allow."""
    machine = stepfunctions_parser_backends[function.account_id][function.region].describe_state_machine(arn)
    backend = get_backend(function.account_id, function.region)
    for one in backend.list_functions():
        target = str(one.function_arn)
        named = f'"{target}"' in str(machine.definition)
        if named and not permissions.allows(str(machine.roleArn), "lambda:InvokeFunction", target):
            yield f"{machine.roleArn} is not authorized to perform: lambda:InvokeFunction on resource: {target}"


def run(function: LambdaFunction, request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Run the handler of a custom resource and return what it answers CloudFormation.

    Args:
        function: The function of the service token.
        request: CloudFormation's request.

    Raises:
        Exception: What the handler raises.
    """
    own = called(function)[-1]
    module, _, name = str(own.handler).rpartition(".")
    sent = _Sent()
    with _alone, _as_lambda(own) as folder, _imported(folder, module, sent) as loaded:
        returned: Mapping[str, Any] | None = getattr(loaded, name)(json.loads(json.dumps(request)), _CONTEXT)
    return sent.answer or returned or {}  # what CDK's framework calls returns its answer


class _Sent:
    """Stands for urllib3 where a function answers CloudFormation: no server listens.

    Attributes:
        answer: What was sent last; empty if nothing was.
    """

    Retry = object

    def __init__(self) -> None:
        self.answer: Mapping[str, Any] = {}

    def PoolManager(self, **_: object) -> AbstractContextManager[_Sent]:  # noqa: N802  urllib3's name
        return nullcontext(self)

    def request(self, _method: str, _url: str, *, body: bytes, **_headers: object) -> types.SimpleNamespace:
        self.answer = json.loads(body)
        return types.SimpleNamespace(status=200)


_CONTEXT: Final = types.SimpleNamespace(log_group_name="", get_remaining_time_in_millis=lambda: 900_000)
"""Lambda's context, as far as answers need it."""


@contextmanager
def _as_lambda(function: LambdaFunction) -> Iterator[Path]:
    """Yield the folder of a function's code, with its variables, and its role's session as boto3's default."""
    keys = permissions.session_of(str(function.role), str(function.region)) or {}
    core = botocore.session.Session()
    core.register_component("data_loader", _loader)
    if keys:
        core.set_credentials(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], keys["AWS_SESSION_TOKEN"])
    core.set_config_variable("region", str(function.region))
    before, level, variables = boto3.DEFAULT_SESSION, logging.getLogger().level, dict(os.environ)
    boto3.DEFAULT_SESSION = boto3.Session(botocore_session=core)
    os.environ.update({name: str(value) for name, value in function.environment_vars.items()})
    try:
        yield _unpacked(function.code_bytes)
    finally:
        boto3.DEFAULT_SESSION = before
        logging.getLogger().setLevel(level)
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        os.environ.update(variables)


def _unpacked(code: bytes) -> Path:
    folder = current().folder / "handlers" / hashlib.sha256(code).hexdigest()[:16]
    if not folder.exists():
        folder.mkdir(parents=True)
        functions.unpack(code, folder)
    return folder


@contextmanager
def _imported(folder: Path, module: str, sent: _Sent) -> Iterator[Any]:
    """Yield a module of a function's code, imported anew: its clients belong to one session, and its answers go to `sent`."""
    package = module.partition(".")[0]
    hidden = {name: sys.modules.pop(name) for name in _of_package(package)}
    sys.path.insert(0, str(folder))
    try:
        loaded = importlib.import_module(module)
        patience: Any = sys.modules.get(f"{package}.propagation")
        if patience is not None:  # a permission that is missing now is missing
            patience.LIMIT_SECONDS = 0.0
        answering: Any = sys.modules.get(f"{package}.answering")
        if answering is not None:
            answering.urllib3 = sent
        yield loaded
    finally:
        sys.path.remove(str(folder))
        for name in _of_package(package):
            del sys.modules[name]
        sys.modules.update(hidden)
        importlib.invalidate_caches()


def _of_package(package: str) -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == package]


def said(error: BaseException) -> str:
    """Return a handler's error as CloudFormation passes it on."""
    return error.response["Error"]["Message"] if isinstance(error, ClientError) else f"{type(error).__name__}: {error}"
