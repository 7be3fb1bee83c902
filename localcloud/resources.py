"""CloudFormation resource types: SageMaker's with their waiting handlers, and a schema-driven stand-in for every other."""

from __future__ import annotations

import contextlib
import secrets
import string
from typing import TYPE_CHECKING, Any, ClassVar

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.core.common_models import CloudFormationModel

from localcloud import operations, schemas, validation
from localcloud.clock import clock

if TYPE_CHECKING:
    from collections.abc import Callable

_THROTTLED_ATTEMPTS = 10
_HANDLER_TIMEOUT_S = 7200
"""CloudFormation's limit for a handler that names none (2 h); SageMaker's own limits are given where they differ."""

TYPES: dict[str, type[Resource]] = {}


class Resource(CloudFormationModel):  # type: ignore[misc]
    """One resource of a stack; subclasses say what creating, updating and removing it means."""

    TYPE: ClassVar[str] = ""
    NAME: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.TYPE:
            TYPES[cls.TYPE] = cls

    def __init__(
        self, *, logical_id: str, stack_id: str, properties: dict[str, Any], account: str, region: str
    ) -> None:
        self.logical_resource_id = logical_id
        self.stack_id = stack_id
        self.properties = properties
        self.account = account
        self.region = region
        self.physical_resource_id = ""
        self.attributes: dict[str, Any] = {}
        self.name = str(properties.get(self.NAME) or f"{logical_id[:40]}-{suffix()}")

    def _create(self) -> None:
        """Make it; set `physical_resource_id` as soon as there is something to remove."""
        raise NotImplementedError

    def _update(self, old: dict[str, Any]) -> None:
        """Change it in place; `properties` are the new ones."""
        raise NotImplementedError

    def _remove(self) -> None:
        """Delete it."""

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        """Ask SageMaker as a handler does: only members the API has, throttling waited out."""
        shape = validation.operation(operation).input_shape
        known = {key: value for key, value in params.items() if key in shape.members and value is not None}
        for attempt in range(_THROTTLED_ATTEMPTS):
            try:
                return operations.call(self.account, self.region, operation, validation.coerce(shape, known))
            except operations.ThrottlingError:
                if attempt == _THROTTLED_ATTEMPTS - 1:
                    raise
                until = clock().now() + 1
                clock().wait_until(lambda until=until: clock().now() >= until, timeout_s=10, what="throttling")  # type: ignore[misc]
        raise AssertionError

    def get_cfn_attribute(self, attribute_name: str) -> Any:
        """GetAtt."""
        if attribute_name not in self.attributes:
            raise UnformattedGetAttTemplateException
        return self.attributes[attribute_name]

    @staticmethod
    def cloudformation_type() -> str:
        """Required by moto; the types are looked up in `TYPES`."""
        return ""

    @staticmethod
    def cloudformation_name_type() -> str:
        """Required by moto."""
        return ""

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Whether GetAtt of this attribute may be in an Output; found out when it is resolved."""
        return bool(attr)

    def made(self) -> None:
        """Create it, and leave nothing behind if that fails."""
        try:
            self._create()
        except Exception:
            if self.physical_resource_id:
                with contextlib.suppress(Exception):
                    self._remove()
            raise

    def stabilize(self, busy: Callable[[], str | None], *, timeout_s: float = _HANDLER_TIMEOUT_S) -> None:
        """Wait while `busy` says so."""
        clock().wait_until(lambda: busy() is None, timeout_s=timeout_s, what=f"{self.TYPE} {self.name}")


def suffix() -> str:
    """The random end of a generated name."""
    return "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(12))


class Model(Resource):
    """AWS::SageMaker::Model."""

    TYPE = "AWS::SageMaker::Model"
    NAME = "ModelName"

    def _create(self) -> None:
        arn = self.call("CreateModel", **self.properties | {"ModelName": self.name})["ModelArn"]
        self.physical_resource_id = self.name
        self.attributes = {"ModelName": self.name, "Id": arn}

    def _remove(self) -> None:
        operations.delete_model(self.account, self.region, self.name)


class EndpointConfig(Resource):
    """AWS::SageMaker::EndpointConfig; any change makes a new one."""

    TYPE = "AWS::SageMaker::EndpointConfig"
    NAME = "EndpointConfigName"

    def _create(self) -> None:
        made = self.call("CreateEndpointConfig", **self.properties | {"EndpointConfigName": self.name})
        self.physical_resource_id = made["EndpointConfigArn"]
        self.attributes = {"EndpointConfigName": self.name, "EndpointConfigArn": self.physical_resource_id}
        self.attributes["Id"] = self.physical_resource_id

    def _remove(self) -> None:
        self.call("DeleteEndpointConfig", EndpointConfigName=self.name)


class Endpoint(Resource):
    """AWS::SageMaker::Endpoint; the handler sees a rollback only if SageMaker gives a reason for it."""

    TYPE = "AWS::SageMaker::Endpoint"
    NAME = "EndpointName"
    _CREATE_S: ClassVar[int] = 160 * 60  # registry schema of 2026-10-20, handlers
    _UPDATE_S: ClassVar[int] = 970 * 60

    def _create(self) -> None:
        made = self.call("CreateEndpoint", **self.properties | {"EndpointName": self.name})
        self.physical_resource_id = made["EndpointArn"]
        self.attributes = {"EndpointName": self.name, "EndpointArn": self.physical_resource_id}
        self.attributes["Id"] = self.physical_resource_id
        self._settle(self._CREATE_S)

    def _update(self, old: dict[str, Any]) -> None:
        if old.get("EndpointConfigName") != self.properties["EndpointConfigName"]:
            self.call("UpdateEndpoint", **self.properties | {"EndpointName": self.name})
            self._settle(self._UPDATE_S)

    def _remove(self) -> None:
        self.stabilize(self._busy, timeout_s=self._UPDATE_S)
        self.call("DeleteEndpoint", EndpointName=self.name)
        self.stabilize(lambda: None if self._described() is None else "Deleting")

    def _described(self) -> dict[str, Any] | None:
        with contextlib.suppress(validation.ValidationError):
            return self.call("DescribeEndpoint", EndpointName=self.name)
        return None

    def _busy(self) -> str | None:
        status = (self._described() or {}).get("EndpointStatus")
        return status if status in ("Creating", "Updating", "RollingBack", "Deleting") else None

    def _settle(self, timeout_s: float) -> None:
        self.stabilize(self._busy, timeout_s=timeout_s)
        end = self._described() or {"EndpointStatus": "Deleted"}
        if end["EndpointStatus"] != "InService" or end.get("FailureReason"):
            raise NotStabilizedError(self, end.get("FailureReason", end["EndpointStatus"]))


class InferenceComponent(Resource):
    """AWS::SageMaker::InferenceComponent; Ref and attributes give the ARN, there is no attribute with the name."""

    TYPE = "AWS::SageMaker::InferenceComponent"
    NAME = "InferenceComponentName"
    _UPDATE_S: ClassVar[int] = 490 * 60  # registry schema of 2026-10-20, handlers
    _FIXED = ("InferenceComponentName", "EndpointName", "VariantName")

    def _create(self) -> None:
        made = self.call("CreateInferenceComponent", **self.properties | {"InferenceComponentName": self.name})
        self.physical_resource_id = made["InferenceComponentArn"]
        self._settle(_HANDLER_TIMEOUT_S)

    def _update(self, old: dict[str, Any]) -> None:
        changed = [key for key in self._FIXED if old.get(key) != self.properties.get(key)]
        if changed:
            raise validation.ValidationError(f"UpdateInferenceComponent cannot change {', '.join(changed)}")
        self.call("UpdateInferenceComponent", **self.properties | {"InferenceComponentName": self.name})
        self._settle(self._UPDATE_S)

    def _remove(self) -> None:
        self.stabilize(self._busy)
        if self._described() is not None:
            self.call("DeleteInferenceComponent", InferenceComponentName=self.name)
            self.stabilize(lambda: None if self._described() is None else "Deleting")

    def _described(self) -> dict[str, Any] | None:
        with contextlib.suppress(validation.ValidationError):
            return self.call("DescribeInferenceComponent", InferenceComponentName=self.name)
        return None

    def _busy(self) -> str | None:
        status = (self._described() or {}).get("InferenceComponentStatus")
        return status if status in ("Creating", "Updating", "Deleting") else None

    def _settle(self, timeout_s: float) -> None:
        self.stabilize(self._busy, timeout_s=timeout_s)
        end = self._described() or {"InferenceComponentStatus": "Deleted"}
        if end["InferenceComponentStatus"] != "InService" or end.get("FailureReason"):
            raise NotStabilizedError(self, end.get("FailureReason", end["InferenceComponentStatus"]))
        self.attributes = {"InferenceComponentArn": self.physical_resource_id}
        self.attributes["InferenceComponentStatus"] = end["InferenceComponentStatus"]


class NotStabilizedError(Exception):
    """A handler waited, and what it waited for did not come."""

    def __init__(self, resource: Resource, reason: str) -> None:
        super().__init__(f'Resource handler returned message: "{reason}" (HandlerErrorCode: NotStabilized)')
        self.resource = resource


def schema_type(type_name: str) -> type[Resource]:
    """A type without behaviour of its own: the schema checks it, names it and decides what replaces it."""

    class Generic(Resource):
        TYPE = type_name

        def _create(self) -> None:
            _, vendor, kind = (*type_name.split("::"), "")[:3]
            identity = f"{self.logical_resource_id[:40]}-{suffix()}".lower()
            arn = f"arn:aws:{vendor.lower()}:{self.region}:{self.account}:{kind.lower()}/{identity}"
            for attribute in schemas.read_only(type_name):
                self.attributes[attribute] = arn if attribute.lower().endswith("arn") else identity
            for key in schemas.top_level(type_name, "primaryIdentifier")[:1]:
                self.physical_resource_id = str(self.properties.get(key) or self.attributes.get(key) or identity)
            self.physical_resource_id = self.physical_resource_id or identity

        def _update(self, old: dict[str, Any]) -> None:
            """Nothing behind it has to change."""

    Generic.__name__ = type_name.replace("::", "")
    return Generic
