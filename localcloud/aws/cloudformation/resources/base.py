"""The base class of CloudFormation resource types, and the table of the types that exist here."""

from __future__ import annotations

import contextlib
import secrets
import string
from collections.abc import Callable
from typing import Any, ClassVar

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.core.common_models import CloudFormationModel

from localcloud.aws.clock import clock
from localcloud.aws.hosting import operations, validation

_THROTTLED_ATTEMPTS, _THROTTLED_PAUSE_S = 10, 1
HANDLER_TIMEOUT_S = 7200
"""CloudFormation's limit for a handler without one of its own (2 h); handlers of SageMaker's types override it."""

TYPES: dict[str, type[Resource]] = {}
"""Resource types that exist here, by name."""


class Resource(CloudFormationModel):
    """One resource of a stack; subclasses define how it is created, updated and removed.

    Attributes:
        TYPE: Resource type, for example AWS::S3::BucketPolicy; a subclass that sets it is registered in `TYPES`.
        NAME: Property with the resource's name. Default: the name is generated.
    """

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
        """Create the resource; set `physical_resource_id` as soon as there is something to remove."""
        raise NotImplementedError

    def _update(self, old: dict[str, Any]) -> None:
        """Update the resource in place from the `old` properties to `properties`."""
        raise NotImplementedError

    def _remove(self) -> None:
        """Remove the resource. Default: there is nothing to remove."""

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        """Call a SageMaker operation as a handler does, without members the API does not have; throttling is waited out."""
        shape = validation.operation(operation).input_shape
        known = {key: value for key, value in params.items() if key in shape.members and value is not None}
        for attempt in range(_THROTTLED_ATTEMPTS):
            try:
                return operations.call(self.account, self.region, operation, validation.coerce(shape, known))
            except operations.ThrottlingError:
                if attempt == _THROTTLED_ATTEMPTS - 1:
                    raise
                clock().sleep(_THROTTLED_PAUSE_S)
        raise AssertionError

    def get_cfn_attribute(self, attribute_name: str) -> Any:
        """Resolve Fn::GetAtt of an attribute."""
        if attribute_name not in self.attributes:
            raise UnformattedGetAttTemplateException
        return self.attributes[attribute_name]

    @staticmethod
    def cloudformation_type() -> str:
        """Type of the resource for moto, which does not need one: types are looked up in `TYPES`."""
        return ""

    @staticmethod
    def cloudformation_name_type() -> str:
        """Property with the resource's name for moto, which does not need one."""
        return ""

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Whether an output may use this attribute; an unknown one fails when it is resolved."""
        return bool(attr)

    def create(self) -> None:
        """Create the resource, and leave nothing behind if that fails."""
        try:
            self._create()
        except Exception:
            if self.physical_resource_id:
                with contextlib.suppress(Exception):
                    self._remove()
            raise

    def stabilize(self, busy: Callable[[], str | None], *, timeout_s: float = HANDLER_TIMEOUT_S) -> None:
        """Wait while `busy` returns a status."""
        clock().wait_until(lambda: busy() is None, timeout_s=timeout_s, what=f"{self.TYPE} {self.name}")


def suffix() -> str:
    """Random end of a generated name, as CloudFormation's."""
    return "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(12))
