"""Lambda functions in the test's own process and on its clock: a stand-in for Lambda, whose processes would take a second each."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import importlib
import io
import json
import logging
import os
import sys
import time
import traceback
import types
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from botocore import endpoint
from botocore.client import BaseClient
from botocore.validate import ParamValidator
from moto.awslambda.utils import get_backend

from localcloud.aws.clock import Clock
from localcloud.aws.cloudformation.resources import custom
from localcloud.aws.compute import functions
from localcloud.aws.hosting import validation

_REGION = "us-east-1"
_base_client: Any = BaseClient
_endpoint: Any = endpoint
"""Without their types, which do not know what is replaced here."""


_FRAMEWORK: Final = ("onEvent", "isComplete", "onTimeout")
"""Entries of its handlers (aws-cdk-lib 2.275.0, custom-resources/lib/provider-framework)."""


class _ResponseUrls:
    """Stands for urllib3 where a function answers CloudFormation: no server listens."""

    Retry = object

    class PoolManager:
        def __init__(self, **_: Any) -> None: ...

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None: ...

        def request(self, _: str, url: str, *, body: bytes, **_headers: object) -> Any:
            custom.take(url.partition("?")[0].rpartition("/")[2], body)
            return types.SimpleNamespace(status=200)


def _is_framework(function: Any) -> bool:
    """Whether a function is one of CDK's provider framework: by its handler too, since an update may leave variables of former code."""
    entry = str(function.handler).rpartition(".")[2]
    return entry in _FRAMEWORK and "USER_ON_EVENT_FUNCTION_ARN" in function.environment_vars


class _ProviderError(Exception):
    """A function of a custom resource failed."""


class InProcess:
    """Runs the handlers of Python functions from their assets.

    Modules see the clock instead of the machine's time: `time` and `datetime` that they import are replaced. Every call that a
    handler makes is checked against botocore's model, enums, ranges and patterns too, which botocore itself does not check.

    Args:
        clock: The driven clock.
        folder: Where assets are unpacked.

    Attributes:
        invocations: Functions that were called, by the name of their handler, with their events.
        calls: Calls to AWS that handlers made: service, operation and parameters.
        broken: What botocore's model has against these calls.
    """

    def __init__(self, clock: Clock, folder: Path) -> None:
        self._clock, self._folder = clock, folder
        self.invocations: list[tuple[str, dict[str, Any]]] = []
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.broken: list[str] = []

    def __call__(self, function: Any, event: str) -> functions.Outcome:
        """Run one invocation."""
        if _is_framework(function):
            return self._provide(function, json.loads(event))
        module, _, entry = str(function.handler).rpartition(".")
        self.invocations.append((entry, json.loads(event)))
        written = io.StringIO()
        handler = logging.StreamHandler(written)
        logging.getLogger().addHandler(handler)
        try:
            with self._environment(function):
                answer = getattr(self._load(function.code_bytes, module), entry)(
                    json.loads(event), self._context(function)
                )
            return functions.Outcome(json.dumps(answer), output=written.getvalue())
        except Exception as error:  # noqa: BLE001 -- as Lambda's runtime does
            written.write(traceback.format_exc())
            failure = {"errorMessage": str(error), "errorType": type(error).__name__}
            return functions.Outcome(json.dumps(failure), failed=True, output=written.getvalue())
        finally:
            logging.getLogger().removeHandler(handler)

    def _provide(self, function: Any, event: dict[str, Any]) -> functions.Outcome:
        """Do what CDK's provider framework does, whose programs are for Node: call the two functions of a custom resource, and answer."""
        variables, backend = function.environment_vars, get_backend(function.account_id, function.region)

        def call(name: str, request: dict[str, Any]) -> dict[str, Any]:
            done = self(backend.get_function(variables[name]), json.dumps(request))
            if done.failed:
                raise _ProviderError(json.loads(done.result)["errorMessage"])
            return dict(json.loads(done.result))

        answer = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
        try:
            begun = call("USER_ON_EVENT_FUNCTION_ARN", event)
            answer |= {"Status": "SUCCESS", **begun}
            done: dict[str, Any] = {"IsComplete": "USER_IS_COMPLETE_FUNCTION_ARN" not in variables}
            while not done["IsComplete"]:
                done = call("USER_IS_COMPLETE_FUNCTION_ARN", event | begun)
                if not done["IsComplete"]:
                    self._clock.sleep(30)
            answer["Data"] = begun.get("Data", {}) | done.get("Data", {})
        except _ProviderError as error:
            answer |= {"Status": "FAILED", "Reason": str(error)}
        token = event["ResponseURL"].partition("?")[0].rpartition("/")[2]
        custom.take(token, json.dumps(answer).encode())
        return functions.Outcome("null")

    def _context(self, function: Any) -> Any:
        deadline = self._clock.now() + float(function.timeout)
        return types.SimpleNamespace(
            function_name=function.function_name,
            log_group_name=function.logs_group_name,
            aws_request_id=str(uuid.uuid4()),
            invoked_function_arn=function.function_arn,
            get_remaining_time_in_millis=lambda: max(0, int((deadline - self._clock.now()) * 1000)),
        )

    def _load(self, archive: bytes, module: str) -> Any:
        """Import a module of an asset, under a name of its own."""
        name = f"asset_{hashlib.sha256(archive).hexdigest()[:12]}"
        if name not in sys.modules:
            folder = self._folder / name
            with zipfile.ZipFile(io.BytesIO(archive)) as packed:
                packed.extractall(folder)
            package = types.ModuleType(name)
            package.__path__ = [str(folder)]
            sys.modules[name] = package
        found = importlib.import_module(f"{name}.{module}")
        for loaded, content in list(sys.modules.items()):
            if loaded.startswith(f"{name}."):
                self._follow_clock(content)
                if hasattr(content, "urllib3"):
                    vars(content)["urllib3"] = _ResponseUrls
        return found

    def _follow_clock(self, module: Any) -> None:
        clock = self._clock

        class Kind(type):
            def __instancecheck__(cls, value: object) -> bool:
                return isinstance(value, dt.datetime)

        class Present(dt.datetime, metaclass=Kind):
            @classmethod
            def now(cls, tz: dt.tzinfo | None = None) -> Any:
                return clock.utc().astimezone(tz) if tz else clock.utc().replace(tzinfo=None)

        for name, value in list(vars(module).items()):
            if value is dt or getattr(value, "stand_in_for", None) is dt:
                setattr(module, name, types.SimpleNamespace(**vars(dt) | {"datetime": Present}, stand_in_for=dt))
            elif value is time or getattr(value, "stand_in_for", None) is time:
                own = {"time": clock.now, "monotonic": clock.now, "sleep": clock.sleep}
                setattr(module, name, types.SimpleNamespace(**vars(time) | own, stand_in_for=time))

    @contextlib.contextmanager
    def _environment(self, function: Any) -> Iterator[None]:
        before = dict(os.environ)
        own = {key: str(value) for key, value in function.environment_vars.items()}
        os.environ.update({"AWS_REGION": _REGION, "AWS_DEFAULT_REGION": _REGION} | own)
        original = _base_client._make_api_call

        def recorded(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
            self._record(client.meta.service_model, operation, parameters)
            return original(client, operation, parameters)

        _base_client._make_api_call = recorded
        _endpoint.time = types.SimpleNamespace(**vars(time) | {"sleep": lambda _: None})  # between attempts of the SDK
        try:
            yield
        finally:
            _base_client._make_api_call = original
            _endpoint.time = time
            os.environ.clear()
            os.environ.update(before)

    def _record(self, service: Any, operation: str, parameters: dict[str, Any]) -> None:
        self.calls.append((service.service_name, operation, parameters))
        shape = service.operation_model(operation).input_shape
        if shape is None:
            return
        if isinstance(source := parameters.get("CopySource"), dict):  # which botocore turns into text before it checks
            parameters = parameters | {"CopySource": f"{source['Bucket']}/{source['Key']}"}
        report = ParamValidator().validate(parameters, shape)
        found = (
            [report.generate_report()] if report.has_errors() else list(validation._constraints(shape, parameters, ""))
        )
        self.broken += [f"{service.service_name}:{operation}: {problem}" for problem in found]
