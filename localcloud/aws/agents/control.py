"""The read operations of AgentCore's control plane: here only CloudFormation creates, changes and deletes resources."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from werkzeug.wrappers import Request, Response

from localcloud.aws.agents.errors import AgentCoreError, not_found
from localcloud.aws.agents.records import DEFAULT, Gateway, PolicyEngine, Record, Runtime
from localcloud.aws.agents.scope import state_of
from localcloud.aws.agents.store import LOCK, Store

_ROOTS: Final = ("/runtimes", "/gateways", "/policy-engines", "/memories")
_EVENTS: Final = re.compile(r"/memories/[^/]+/(events|actor)\b")
"""Paths of the events of a memory, which moto keeps."""
_PAGE: Final = 100
"""Entries per page: the maximum of maxResults in the service model (botocore 1.44.5)."""
_FREE_FORM: Final = {"EnvironmentVariables", "Properties"}
"""Members whose keys the user chooses."""

_Read = Callable[..., dict[str, Any]]


def serves(request: Request) -> bool:
    """Whether a request belongs to the control plane."""
    path = str(request.environ.get("PATH_INFO", ""))
    root = next((root for root in _ROOTS if path == root or path.startswith(f"{root}/")), None)
    return root is not None and _EVENTS.match(path) is None and "bedrock-agentcore" in _authorization(request)


def answer(request: Request) -> Response:
    """Answer one request to the control plane."""
    path = str(request.environ["PATH_INFO"]).strip("/")
    try:
        state = state_of(request)
        for method, pattern, read in _READS:
            match = re.fullmatch(pattern, path)
            if match is not None and method == request.method:
                with LOCK:
                    body = read(state, *match.groups())
                return _json(_page(body, request))
    except AgentCoreError as error:
        return error.response()
    message = f"the embedded AWS reads AgentCore's resources, and changes them with CloudFormation alone: {request.method} /{path} is not there"
    return AgentCoreError("ValidationException", message).response()


def _authorization(request: Request) -> str:
    return f"{request.headers.get('Authorization', '')}{request.args.get('X-Amz-Credential', '')}"


def _page(body: dict[str, Any], request: Request) -> dict[str, Any]:
    """Reduce the list of an answer to the requested page."""
    name = next((name for name, value in body.items() if isinstance(value, list) and name in _LISTS), None)
    if name is None:
        return body
    try:
        parameters = request.args.to_dict() | (
            json.loads(request.get_data() or b"{}") if request.method == "POST" else {}
        )
        start, size = int(parameters.get("nextToken") or 0), int(parameters.get("maxResults") or _PAGE)
    except (ValueError, TypeError, AttributeError) as error:
        raise AgentCoreError("ValidationException", f"invalid paging: {error}") from error
    following = {"nextToken": str(start + size)} if start + size < len(body[name]) else {}
    return {name: body[name][start : start + size]} | following


# --- one function per operation -------------------------------------------------------------------------------------


def _list_runtimes(state: Store) -> dict[str, Any]:
    return {"agentRuntimes": [_summary(runtime) for runtime in state.runtimes.values()]}


def _get_runtime(state: Store, name: str) -> dict[str, Any]:
    runtime = state.runtime(name)
    return (
        _shown(runtime.properties)
        | _summary(runtime)
        | _times(runtime, "createdAt", "lastUpdatedAt")
        | {
            "lifecycleConfiguration": _lower(runtime.properties.get("LifecycleConfiguration", {})),
        }
    )


def _list_versions(state: Store, name: str) -> dict[str, Any]:
    runtime = state.runtime(name)
    return {"agentRuntimes": [_summary(runtime, version=v) for v in range(runtime.version, 0, -1)]}


def _list_endpoints(state: Store, name: str) -> dict[str, Any]:
    runtime = state.runtime(name)
    return {"runtimeEndpoints": [_endpoint(runtime, one) for one in (DEFAULT, *runtime.endpoints)]}


def _get_endpoint(state: Store, name: str, endpoint: str) -> dict[str, Any]:
    runtime = state.runtime(name)
    if endpoint != DEFAULT and endpoint not in runtime.endpoints:
        raise not_found("Endpoint", endpoint)
    return _endpoint(runtime, endpoint)


def _list_gateways(state: Store) -> dict[str, Any]:
    names = ("gatewayId", "name", "status", "createdAt", "updatedAt", "authorizerType", "protocolType")
    shown = [_get_gateway(state, gateway.id) for gateway in state.gateways.values()]
    return {"items": [{name: one[name] for name in names} for one in shown]}


def _get_gateway(state: Store, name: str) -> dict[str, Any]:
    gateway = state.gateway(name)
    identity = {"gatewayArn": gateway.arn, "gatewayId": gateway.id, "gatewayUrl": gateway.url, "status": "READY"}
    return {"protocolType": "MCP"} | _shown(gateway.properties) | identity | _times(gateway)


def _list_targets(state: Store, name: str) -> dict[str, Any]:
    gateway = state.gateway(name)
    shown = [_get_target(state, name, target) for target in gateway.targets]
    names = ("targetId", "name", "status", "createdAt", "updatedAt")
    return {"items": [{name: one[name] for name in names} for one in shown]}


def _get_target(state: Store, name: str, target_id: str) -> dict[str, Any]:
    gateway: Gateway = state.gateway(name)
    target = gateway.targets.get(target_id)
    if target is None:
        raise not_found("Target", target_id)
    identity = {"gatewayArn": gateway.arn, "targetId": target.id, "status": "READY"}
    return _shown(target.properties) | identity | _times(target)


def _list_memories(state: Store) -> dict[str, Any]:
    return {"memories": [{"arn": m.arn, "id": m.id, "status": "ACTIVE", **_times(m)} for m in state.memories.values()]}


def _get_memory(state: Store, memory_id: str) -> dict[str, Any]:
    memory = state.memories.get(memory_id)
    if memory is None:
        raise not_found("Memory", memory_id)
    shown = _shown(memory.properties) | {"arn": memory.arn, "id": memory.id, "status": "ACTIVE", "strategies": []}
    return {"memory": shown | _times(memory)}


def _list_engines(state: Store) -> dict[str, Any]:
    return {"policyEngines": [_get_engine(state, engine) for engine in state.engines]}


def _get_engine(state: Store, engine_id: str) -> dict[str, Any]:
    engine = _engine(state, engine_id)
    identity = {"policyEngineId": engine.id, "policyEngineArn": engine.arn, "status": "ACTIVE", "statusReasons": []}
    return _shown(engine.properties) | identity | _times(engine)


def _list_policies(state: Store, engine_id: str) -> dict[str, Any]:
    return {"policies": [_get_policy(state, engine_id, one) for one in _engine(state, engine_id).policies]}


def _get_policy(state: Store, engine_id: str, policy_id: str) -> dict[str, Any]:
    policy: Record | None = _engine(state, engine_id).policies.get(policy_id)
    if policy is None:
        raise not_found("Policy", policy_id)
    identity = {"policyId": policy.id, "policyArn": policy.arn, "status": "ACTIVE", "statusReasons": []}
    return _shown(policy.properties) | identity | _times(policy)


_LISTS: Final = ("agentRuntimes", "runtimeEndpoints", "items", "memories", "policyEngines", "policies")
_READS: Final[tuple[tuple[str, str, _Read], ...]] = (
    ("POST", "runtimes", _list_runtimes),
    ("GET", "runtimes/([^/]+)", _get_runtime),
    ("POST", "runtimes/([^/]+)/versions", _list_versions),
    ("POST", "runtimes/([^/]+)/runtime-endpoints", _list_endpoints),
    ("GET", "runtimes/([^/]+)/runtime-endpoints/([^/]+)", _get_endpoint),
    ("GET", "gateways", _list_gateways),
    ("GET", "gateways/([^/]+)", _get_gateway),
    ("GET", "gateways/([^/]+)/targets", _list_targets),
    ("GET", "gateways/([^/]+)/targets/([^/]+)", _get_target),
    ("POST", "memories", _list_memories),
    ("GET", "memories/([^/]+)/details", _get_memory),
    ("GET", "policy-engines", _list_engines),
    ("GET", "policy-engines/([^/]+)", _get_engine),
    ("GET", "policy-engines/([^/]+)/policies", _list_policies),
    ("GET", "policy-engines/([^/]+)/policies/([^/]+)", _get_policy),
)


def _engine(state: Store, engine_id: str) -> PolicyEngine:
    found = state.engines.get(engine_id)
    if found is None:
        raise not_found("Policy engine", engine_id)
    return found


def _summary(runtime: Runtime, *, version: int | None = None) -> dict[str, Any]:
    return {
        "agentRuntimeArn": runtime.arn,
        "agentRuntimeId": runtime.id,
        "agentRuntimeVersion": str(version or runtime.version),
        "agentRuntimeName": runtime.name,
        "description": runtime.properties.get("Description", ""),
        "lastUpdatedAt": runtime.updated,
        "status": "READY",
    }


def _endpoint(runtime: Runtime, name: str) -> dict[str, Any]:
    one = runtime.endpoints.get(name)
    version = str(one.version if one else runtime.version)
    return {
        "name": name,
        "id": one.id if one else DEFAULT,
        "liveVersion": version,
        "targetVersion": version,
        "agentRuntimeEndpointArn": one.arn if one else f"{runtime.arn}/runtime-endpoint/{DEFAULT}",
        "agentRuntimeArn": runtime.arn,
        "status": "READY",
        **_times(one or runtime, "createdAt", "lastUpdatedAt"),
    }


def _times(record: Record, created: str = "createdAt", updated: str = "updatedAt") -> dict[str, float]:
    return {created: record.created, updated: record.updated}


def _shown(properties: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = _lower(properties)
    return shown


def _lower(value: Any) -> Any:
    """Convert properties from CloudFormation's spelling to the API's."""
    if isinstance(value, dict):
        return {
            key[:1].lower() + key[1:]: ({k: _lower(v) for k, v in one.items()} if key in _FREE_FORM else _lower(one))
            for key, one in value.items()
        }
    return [_lower(one) for one in value] if isinstance(value, Iterable) and not isinstance(value, str) else value


def _json(body: dict[str, Any]) -> Response:
    return Response(json.dumps(body), content_type="application/json")
