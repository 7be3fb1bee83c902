"""The base class of CloudFormation resource types, and the table of the types that exist here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, ClassVar

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.core.common_models import CloudFormationModel

from localcloud.aws.clock import clock
from localcloud.aws.cloudformation import names
from localcloud.aws.hosting import operations, validation

_THROTTLED_ATTEMPTS, _THROTTLED_PAUSE_S = 10, 1
HANDLER_TIMEOUT_S = 7200
"""CloudFormation's default limit for a handler (2 h); handlers of SageMaker's types override it."""

cancelled: set[str] = set()
"""Ids of stacks whose creation was abandoned to delete them."""


class CancelledError(Exception):
    """The stack is deleted while it is created."""

    def __init__(self) -> None:
        super().__init__("Resource creation cancelled")


TYPES: dict[str, type[Resource]] = {}
"""Resource types that exist here, by name."""


class Resource(CloudFormationModel):
    """One resource of a stack; subclasses define how it is created, updated and removed.

    Attributes:
        TYPE: Resource type, for example AWS::S3::BucketPolicy; a subclass that sets it is registered in `TYPES`.
        NAME: Property with the resource's name. Default: the name is generated.
        NAMED_AFTER_STACK: Whether a generated name begins with the stack's. Default: it does.
    """

    TYPE: ClassVar[str] = ""
    NAME: ClassVar[str] = ""
    NAMED_AFTER_STACK: ClassVar[bool] = True

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
        self.name = str(properties.get(self.NAME) or self._generated_name())
        self._creating = False

    def _generated_name(self) -> str:
        if self.NAMED_AFTER_STACK:
            return names.generated(self.TYPE, names.stack_of(self.stack_id), self.logical_resource_id)
        return f"{self.logical_resource_id[:40]}-{names.suffix()}"

    @classmethod
    def check_update(cls, old: dict[str, Any], new: dict[str, Any]) -> None:
        """Raise if an update is neither possible in place nor a replacement. Default: every update is one or the other."""
        del old, new

    def _create(self) -> None:
        """Create the resource; set `physical_resource_id` as soon as there is something to remove."""
        raise NotImplementedError

    def _update(self, old: dict[str, Any]) -> None:
        """Update the resource in place from the `old` properties to `properties`."""
        raise NotImplementedError

    def _remove(self) -> None:
        """Remove the resource. Default: there is nothing to remove."""

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        """Call a SageMaker operation as a handler does, without members the API does not have; throttled calls are retried."""
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
        self._creating = True
        try:
            self._create()
        except Exception:
            self._creating = False  # so that the removal is awaited
            if self.physical_resource_id:
                with contextlib.suppress(Exception):
                    self._remove()
            raise
        finally:
            self._creating = False

    def stabilize(self, busy: Callable[[], str | None], *, timeout_s: float = HANDLER_TIMEOUT_S) -> None:
        """Wait while `busy` returns a status; waiting for a creation ends once its stack is to be deleted.

        Raises:
            CancelledError: The stack is to be deleted.
        """

        def done() -> bool:
            return busy() is None or (self._creating and self.stack_id in cancelled)

        clock().wait_until(done, timeout_s=timeout_s, what=f"{self.TYPE} {self.name}")
        if self._creating and self.stack_id in cancelled:
            raise CancelledError
