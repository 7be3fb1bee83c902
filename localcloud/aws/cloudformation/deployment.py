"""One operation on a stack: resources are created, updated and removed in dependency order.

moto creates resources as it encounters references to them, removes before it adds, and leaves a failed stack half deployed. This module
replaces only that: template language, change sets, events and outputs are moto's.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable
from typing import Any

from moto.cloudformation import models, parsing
from moto.cloudformation.exceptions import ValidationError
from moto.ssm.models import ssm_backends

from localcloud.aws.cloudformation import exports, roles, schemas
from localcloud.aws.cloudformation.resources.base import TYPES, CancelledError, Resource, cancelled
from localcloud.aws.cloudformation.resources.generic import schema_type
from localcloud.aws.cloudformation.templates import dependencies, order
from localcloud.aws.settings import current

_BOOTSTRAP = "/cdk-bootstrap/"


class Deployment:
    """One operation on a stack, with a target template."""

    def __init__(self, stack: Any) -> None:
        self.stack = stack
        self.map = stack.resource_map
        self.state: dict[str, dict[str, Any]] = stack.__dict__.setdefault("applied", {})
        self.replaced: list[tuple[str, Any, dict[str, Any]]] = []

    def apply(self, template: dict[str, Any], parameters: dict[str, Any]) -> None:
        """Create and update resources, dependencies first; nothing is removed yet."""
        self.map._template = template
        self.map._resource_json_map = template["Resources"]
        self.map.input_parameters = parameters
        for parameter in list(self.map.resolved_parameters):
            self.map._parsed_resources.pop(parameter, None)
        self.map.resolved_parameters = {}
        self.map.load_mapping()
        self.map.load_parameters()
        self._refuse_missing(template.get("Parameters", {}), parameters)
        self.map.load_conditions()
        for name in order(template):
            if self.stack.stack_id in cancelled:
                raise CancelledError
            if _exists(self.map, template["Resources"][name]):
                self._apply_one(name, template["Resources"][name])

    def _refuse_missing(self, slots: dict[str, Any], parameters: dict[str, Any]) -> None:
        """Refuse parameters of SSM that do not exist, but not that of CDK's bootstrap stack, which the CDK CLI itself checks."""
        paths = [
            str(parameters.get(name, slot.get("Default", "")))
            for name, slot in slots.items()
            if slot["Type"].startswith("AWS::SSM::Parameter::Value")
        ]
        backend = ssm_backends[self.stack.account_id][self.stack.region_name]
        missing = [
            name
            for name in paths
            if name.startswith("/") and not name.startswith(_BOOTSTRAP) and backend.get_parameter(name) is None
        ]
        if missing:
            raise ValidationError(
                message=f"Unable to fetch parameters [{','.join(missing)}] from parameter store for this account."
            )

    def clean_up(self, template: dict[str, Any], order_before: list[str], *, undone: bool = False) -> None:
        """Remove the resources that were replaced or are no longer in the template, dependents first.

        Args:
            template: Template of the resources that remain.
            order_before: Logical ids of the resources before this operation, dependencies first.
            undone: Whether the operation is rolled back, so that the resources it created are removed.
        """
        policy = "DeletionPolicy" if undone else "UpdateReplacePolicy"
        for name, resource, state in reversed(self.replaced):
            self._remove(name, resource, state, policy=policy, undone=undone)
        self.replaced = []
        staying = {name for name, body in template["Resources"].items() if _exists(self.map, body)}
        others = [name for name in self.state if name not in order_before]
        remaining = [name for name in reversed(order_before + others) if name in self.state and name not in staying]
        while remaining:  # moto's resources have dependencies that a template does not show
            needs = dependencies({"Resources": {name: self.state[name]["Json"] for name in remaining}})
            problems: dict[str, Exception] = {}
            held: set[str] = set()  # dependencies of a resource that still exists
            for name in remaining:
                if name in held:
                    held |= needs[name]
                    continue
                resource = self.map._parsed_resources.get(name)
                error = failure_of(functools.partial(self._remove, name, resource, self.state[name], undone=undone))
                if error is not None:
                    problems[name] = error
                    held |= needs[name]
                    continue
                self.forget([name])
            left = [name for name in remaining if name in problems or name in held]
            if len(left) == len(remaining):
                raise next(iter(problems.values()))
            remaining = left

    def forget(self, names: Iterable[str]) -> None:
        """Keep resources, but remove them from the stack."""
        for name in names:
            self.state.pop(name, None)
            self.map._parsed_resources.pop(name, None)

    def undo_replacements(self) -> None:
        """Restore replaced resources; the next clean-up removes their replacements."""
        undone = [(name, self.map._parsed_resources[name], self.state[name]) for name, _, _ in self.replaced]
        for name, resource, state in self.replaced:
            self.map._parsed_resources[name], self.state[name] = resource, state
        self.replaced = undone

    def _apply_one(self, name: str, body: dict[str, Any]) -> None:
        definition = parsing.clean_json(copy.deepcopy({"Properties": {}} | body), self.map)
        before, kind = self.state.get(name), body["Type"]
        imports = exports.imported(body.get("Properties", {}), self.map)
        if before and (before["Type"], before["Properties"]) == (kind, definition["Properties"]):
            before |= {
                "Json": body,
                "Imports": imports,
            }  # the deletion policy may have changed, or the source of a value
            return
        verb = "UPDATE" if before else "CREATE"
        self._event(name, kind, f"{verb}_IN_PROGRESS")
        after = {"Type": kind, "Properties": copy.deepcopy(definition["Properties"]), "Json": body, "Imports": imports}
        try:
            resource = self._update(name, definition, before) if before else self._create(name, definition, after)
        except Exception as error:
            self._event(name, kind, f"{verb}_FAILED", reason=text_of(error))
            raise
        after["Name"] = self.state.get(name, after).get("Name") or after.get("Name")
        self.map._parsed_resources[name], self.state[name] = resource, after
        self._event(name, kind, f"{verb}_COMPLETE")

    def _create(self, name: str, definition: dict[str, Any], after: dict[str, Any]) -> Any:
        cls = resource_class(definition["Type"])
        schemas.check(definition["Type"], definition["Properties"], known=not issubclass(cls, Resource))
        self._check_roles(definition)
        if issubclass(cls, Resource):
            resource: Any = cls(
                logical_id=name,
                stack_id=self.stack.stack_id,
                properties=definition["Properties"],
                account=self.stack.account_id,
                region=self.stack.region_name,
            )
            resource.cf_resource_type = definition["Type"]  # a custom resource reports it in its first request, too
            resource.create()
        else:
            name_property = definition["Properties"].get(cls.cloudformation_name_type() or "")
            after["Name"] = name_property or parsing.generate_resource_name(definition["Type"], self.stack.name, name)
            extra = {"LogicalId": name, "StackId": self.stack.stack_id, "ResourceType": definition["Type"]}
            resource = cls.create_from_cloudformation_json(
                after["Name"], definition, self.stack.account_id, self.stack.region_name, **extra
            )
        resource.cf_resource_type, resource.logical_resource_id = definition["Type"], name
        resource.cf_properties = definition["Properties"]
        return resource

    def _update(self, name: str, definition: dict[str, Any], before: dict[str, Any]) -> Any:
        original, cls = self.map._parsed_resources[name], resource_class(definition["Type"])
        if before["Type"] == definition["Type"] and issubclass(cls, Resource):
            cls.check_update(before["Properties"], definition["Properties"])
        if before["Type"] != definition["Type"] or (issubclass(cls, Resource) and _replaces(before, definition)):
            replacement = self._create(name, definition, {})
            self.replaced.append((name, original, before))
            return replacement
        schemas.check(definition["Type"], definition["Properties"], known=not issubclass(cls, Resource))
        self._check_roles(definition)
        if issubclass(cls, Resource):
            original.properties, old = definition["Properties"], original.properties
            try:
                original._update(old)
            except Exception:
                original.properties = old
                raise
            return original
        physical_name = definition["Properties"].get(cls.cloudformation_name_type() or "") or before.get("Name")
        if hasattr(cls.update_from_cloudformation_json, "__isabstractmethod__"):
            # moto cannot update this type: the resource is removed before its successor is created
            self._remove(name, original, before)
            return self._create(name, definition, {})
        updated = cls.update_from_cloudformation_json(
            original_resource=original,
            new_resource_name=physical_name,
            cloudformation_json=definition,
            account_id=self.stack.account_id,
            region_name=self.stack.region_name,
        )
        updated.cf_resource_type, updated.logical_resource_id = definition["Type"], name
        updated.cf_properties = definition["Properties"]
        return updated

    def _check_roles(self, definition: dict[str, Any]) -> None:
        if current().judges_roles:
            place = {"account": self.stack.account_id, "region": self.stack.region_name}
            roles.check(definition["Type"], definition["Properties"], **place)

    def _remove(
        self, name: str, resource: Any, state: dict[str, Any], *, policy: str = "DeletionPolicy", undone: bool = False
    ) -> None:
        goes = {"Delete", "RetainExceptOnCreate"} if undone else {"Delete"}
        if resource is None or state["Json"].get(policy, "Delete") not in goes:
            return
        physical = getattr(resource, "physical_resource_id", None)  # which a security group rule lacks
        self._event(name, state["Type"], "DELETE_IN_PROGRESS", physical=physical)
        try:
            if isinstance(resource, Resource):
                resource._remove()
            else:
                self.map._delete_resource(resource, {"Type": state["Type"], "Properties": state["Properties"]})
        except Exception as error:
            self._event(name, state["Type"], "DELETE_FAILED", reason=text_of(error), physical=physical)
            raise
        self._event(name, state["Type"], "DELETE_COMPLETE", physical=physical)

    def _event(
        self, name: str, kind: str, status: str, *, reason: str | None = None, physical: str | None = None
    ) -> None:
        resource = self.map._parsed_resources.get(name)
        physical = physical or getattr(resource, "physical_resource_id", None) or ""
        event = models.Event(self.stack.stack_id, self.stack.name, name, physical, kind, status, reason, None)
        self.stack.events.append(event)


def resource_class(type_name: str) -> Any:
    """Class of a resource type: this package's, otherwise moto's, otherwise a stand-in from the registry schema."""
    if type_name.startswith("Custom::"):
        return TYPES["AWS::CloudFormation::CustomResource"]
    if type_name not in TYPES and type_name not in parsing.get_model_map():
        schema_type(type_name)
    return TYPES.get(type_name) or parsing.get_model_map()[type_name]


def _replaces(before: dict[str, Any], definition: dict[str, Any]) -> bool:
    old, new = before["Properties"], definition["Properties"]
    return any(old.get(key) != new.get(key) for key in schemas.top_level(definition["Type"], "createOnlyProperties"))


def _exists(resource_map: Any, body: dict[str, Any]) -> bool:
    return "Condition" not in body or bool(resource_map.lazy_condition_map[body["Condition"]])


def text_of(error: Exception) -> str:
    """Message of an exception; for an error of AWS, its own message."""
    return str(getattr(error, "message", "") or error) or type(error).__name__


def failure_of(work: Callable[[], None]) -> Exception | None:
    """Do the work, and return the exception that ended it, if any."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 -- moto's services raise exceptions of any class
        return error
    return None
