"""CloudFormation's Bedrock AgentCore types."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from localcloud.aws.agents import policies, tools
from localcloud.aws.agents.errors import AgentCoreError, not_found
from localcloud.aws.agents.records import Gateway, PolicyEngine, Record, Runtime, RuntimeEndpoint, identifier, random
from localcloud.aws.agents.store import LOCK, Store, store
from localcloud.aws.cloudformation.resources.base import Resource

_RUNTIME_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,47}")
"""Pattern of the service model (botocore 1.44.5); the registry schema has it without anchors, so it refuses nothing."""
_LOWER: Final = string.ascii_lowercase + string.digits


class _AgentCore(Resource):
    @property
    def _state(self) -> Store:
        return store(self.account, self.region)

    def _set(self, record: Record, *, status: str, **attributes: Any) -> None:
        times = {"CreatedAt": _stamp(record.created), "UpdatedAt": _stamp(record.updated)}
        self.attributes = times | {"LastUpdatedAt": times["UpdatedAt"], "Status": status} | attributes

    def _unless_taken(self, names: Iterable[str], kind: str) -> None:
        name = self.properties[self.NAME]
        if name in names:
            raise AgentCoreError("ConflictException", f"{kind} with name '{name}' already exists in this account")


class AgentRuntime(_AgentCore):
    """AWS::BedrockAgentCore::Runtime; every update is a new version, and Ref is the id."""

    TYPE = "AWS::BedrockAgentCore::Runtime"
    NAME = "AgentRuntimeName"

    def _create(self) -> None:
        if not _RUNTIME_NAME.fullmatch(self.name):
            message = f"Value '{self.name}' at 'agentRuntimeName' failed to satisfy constraint: Member must satisfy regular expression pattern: {_RUNTIME_NAME.pattern}"
            raise AgentCoreError("ValidationException", message)
        with LOCK:
            state = self._state
            self._unless_taken((runtime.name for runtime in state.runtimes.values()), "An agent")
            runtime_id = identifier(self.name)
            runtime = Runtime(id=runtime_id, arn=state.arn(f"runtime/{runtime_id}"), properties={})
            state.runtimes[runtime_id] = runtime
        self.physical_resource_id = runtime_id
        self._take()

    def _update(self, old: dict[str, Any]) -> None:
        del old
        self._take()

    def _remove(self) -> None:
        with LOCK:
            self._state.runtimes.pop(self.physical_resource_id, None)
        self._state.end(self.physical_resource_id)

    def _take(self) -> None:
        with LOCK:
            runtime = self._state.runtime(self.physical_resource_id)
            runtime.change(self.properties)
        version = str(runtime.version)
        identity = self._state.arn(f"workload-identity-directory/default/workload-identity/{runtime.id}")
        names = {"AgentRuntimeArn": runtime.arn, "AgentRuntimeId": runtime.id, "AgentRuntimeVersion": version}
        names["WorkloadIdentityDetails.WorkloadIdentityArn"] = identity
        self._set(runtime, status="READY", **names)


class AgentRuntimeEndpoint(_AgentCore):
    """AWS::BedrockAgentCore::RuntimeEndpoint; Ref is the ARN."""

    TYPE = "AWS::BedrockAgentCore::RuntimeEndpoint"
    NAME = "Name"

    def _create(self) -> None:
        with LOCK:
            runtime = self._runtime()
            self._unless_taken(runtime.endpoints, "An endpoint")
            arn = f"{runtime.arn}/runtime-endpoint/{self.name}"
            endpoint = RuntimeEndpoint(id=self.name, arn=arn, name=self.name, version=0, properties=self.properties)
            runtime.endpoints[self.name] = endpoint
        self.physical_resource_id = arn
        self._update({})

    def _update(self, old: dict[str, Any]) -> None:
        del old
        with LOCK:
            runtime = self._runtime()
            version = str(self.properties.get("AgentRuntimeVersion") or runtime.version)
            endpoint = runtime.endpoints[self.name]
            endpoint.version = self._state.version(runtime, version)
            endpoint.change(self.properties)
        names = {"AgentRuntimeEndpointArn": endpoint.arn, "AgentRuntimeArn": runtime.arn, "Id": endpoint.id}
        self._set(endpoint, status="READY", **names, LiveVersion=version, TargetVersion=version)

    def _remove(self) -> None:
        with LOCK:
            runtime = self._state.runtimes.get(self.properties["AgentRuntimeId"])
            if runtime is not None:
                runtime.endpoints.pop(self.name, None)

    def _runtime(self) -> Runtime:
        return self._state.runtime(self.properties["AgentRuntimeId"])


class AgentGateway(_AgentCore):
    """AWS::BedrockAgentCore::Gateway; Ref is the identifier."""

    TYPE = "AWS::BedrockAgentCore::Gateway"
    NAME = "Name"

    def _create(self) -> None:
        self._check()
        with LOCK:
            state = self._state
            self._unless_taken((gateway.properties["Name"] for gateway in state.gateways.values()), "A gateway")
            gateway_id = identifier(self.name.lower(), alphabet=_LOWER)
            url, arn = state.gateway_url(gateway_id), state.arn(f"gateway/{gateway_id}")
            gateway = Gateway(id=gateway_id, arn=arn, url=url, properties=self.properties)
            state.gateways[gateway_id] = gateway
        self.physical_resource_id = gateway_id
        self._describe(gateway)

    def _update(self, old: dict[str, Any]) -> None:
        del old
        self._check()
        with LOCK:
            gateway = self._state.gateway(self.physical_resource_id)
            gateway.change(self.properties)
        self._describe(gateway)

    def _remove(self) -> None:
        with LOCK:
            gateway = self._state.gateways.get(self.physical_resource_id)
            if gateway is not None and gateway.targets:
                targets = ", ".join(target.properties["Name"] for target in gateway.targets.values())
                raise AgentCoreError(
                    "ConflictException", f"Gateway '{gateway.id}' has targets associated with it: {targets}"
                )
            self._state.gateways.pop(self.physical_resource_id, None)

    def _check(self) -> None:
        engine = self.properties.get("PolicyEngineConfiguration", {}).get("Arn")
        if engine and engine.rpartition("/")[2] not in self._state.engines:
            raise not_found("Policy engine", engine)

    def _describe(self, gateway: Gateway) -> None:
        identity = self._state.arn(f"workload-identity-directory/default/workload-identity/{gateway.id}")
        names = {"GatewayArn": gateway.arn, "GatewayIdentifier": gateway.id, "GatewayUrl": gateway.url}
        names["WorkloadIdentityDetails.WorkloadIdentityArn"] = identity
        self._set(gateway, status="READY", **names)


class AgentGatewayTarget(_AgentCore):
    """AWS::BedrockAgentCore::GatewayTarget; created only if the gateway's role may invoke the function."""

    TYPE = "AWS::BedrockAgentCore::GatewayTarget"
    NAME = "Name"

    def _create(self) -> None:
        self._check()
        with LOCK:
            gateway = self._gateway()
            self._unless_taken((one.properties["Name"] for one in gateway.targets.values()), "A target")
            target = Record(id=random().upper(), arn=gateway.arn, properties={**self.properties, "Name": self.name})
            gateway.targets[target.id] = target
        self.physical_resource_id = f"{gateway.id}|{target.id}"
        self._set(target, status="READY", TargetId=target.id, GatewayArn=gateway.arn)

    def _update(self, old: dict[str, Any]) -> None:
        del old
        self._check()
        with LOCK:
            target = self._gateway().targets[self.attributes["TargetId"]]
            target.change({**self.properties, "Name": self.properties.get("Name", self.name)})
            self.attributes["UpdatedAt"] = _stamp(target.updated)

    def _remove(self) -> None:
        with LOCK:
            gateway = self._state.gateways.get(self.properties["GatewayIdentifier"])
            if gateway is not None:
                gateway.targets.pop(self.attributes["TargetId"], None)

    def _gateway(self) -> Gateway:
        return self._state.gateway(self.properties["GatewayIdentifier"])

    def _check(self) -> None:
        function = tools.lambda_of(self.properties)["LambdaArn"]
        tools.check_permission(self._state, self._gateway(), function)


class AgentMemory(_AgentCore):
    """AWS::BedrockAgentCore::Memory; Ref is the ARN."""

    TYPE = "AWS::BedrockAgentCore::Memory"
    NAME = "Name"

    def _create(self) -> None:
        with LOCK:
            state = self._state
            self._unless_taken((memory.properties["Name"] for memory in state.memories.values()), "A memory")
            memory_id = identifier(self.name)
            memory = Record(id=memory_id, arn=state.arn(f"memory/{memory_id}"), properties=self.properties)
            state.memories[memory_id] = memory
        self.physical_resource_id = memory.arn
        self._set(memory, status="ACTIVE", MemoryArn=memory.arn, MemoryId=memory.id)

    def _update(self, old: dict[str, Any]) -> None:
        del old
        with LOCK:
            memory = self._state.memories[self.attributes["MemoryId"]]
            memory.change(self.properties)
        self._set(memory, status="ACTIVE", MemoryArn=memory.arn, MemoryId=memory.id)

    def _remove(self) -> None:
        with LOCK:
            self._state.memories.pop(self.attributes.get("MemoryId", ""), None)


class AgentPolicyEngine(_AgentCore):
    """AWS::BedrockAgentCore::PolicyEngine; Ref is the ARN."""

    TYPE = "AWS::BedrockAgentCore::PolicyEngine"
    NAME = "Name"

    def _create(self) -> None:
        with LOCK:
            state = self._state
            self._unless_taken((engine.properties["Name"] for engine in state.engines.values()), "A policy engine")
            engine_id = identifier(self.name, alphabet=_LOWER)
            engine = PolicyEngine(id=engine_id, arn=state.arn(f"policy-engine/{engine_id}"), properties=self.properties)
            state.engines[engine_id] = engine
        self.physical_resource_id = engine.arn
        self._set(engine, status="ACTIVE", PolicyEngineArn=engine.arn, PolicyEngineId=engine.id)

    def _update(self, old: dict[str, Any]) -> None:
        del old
        with LOCK:
            engine = self._state.engines[self.attributes["PolicyEngineId"]]
            engine.change(self.properties)
        self._set(engine, status="ACTIVE", PolicyEngineArn=engine.arn, PolicyEngineId=engine.id)

    def _remove(self) -> None:
        with LOCK:
            self._state.engines.pop(self.attributes.get("PolicyEngineId", ""), None)


class AgentPolicy(_AgentCore):
    """AWS::BedrockAgentCore::Policy; Ref is the ARN."""

    TYPE = "AWS::BedrockAgentCore::Policy"
    NAME = "Name"

    def _create(self) -> None:
        policies.parse(policies.statement_of(self.properties))
        with LOCK:
            engine = self._state.engines.get(self.properties["PolicyEngineId"])
            if engine is None:
                raise not_found("Policy engine", self.properties["PolicyEngineId"])
            self._unless_taken((policy.properties["Name"] for policy in engine.policies.values()), "A policy")
            policy_id = identifier(self.name, alphabet=_LOWER)
            policy = Record(id=policy_id, arn=f"{engine.arn}/policy/{policy_id}", properties=self.properties)
            engine.policies[policy_id] = policy
        self.physical_resource_id = policy.arn
        self._set(policy, status="ACTIVE", PolicyArn=policy.arn, PolicyId=policy.id)

    def _update(self, old: dict[str, Any]) -> None:
        del old
        policies.parse(policies.statement_of(self.properties))
        with LOCK:
            policy = self._state.engines[self.properties["PolicyEngineId"]].policies[self.attributes["PolicyId"]]
            policy.change(self.properties)
        self._set(policy, status="ACTIVE", PolicyArn=policy.arn, PolicyId=policy.id)

    def _remove(self) -> None:
        with LOCK:
            engine = self._state.engines.get(self.properties["PolicyEngineId"])
            if engine is not None:
                engine.policies.pop(self.attributes.get("PolicyId", ""), None)


def _stamp(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
