"""Values of templates: what they refer to, how two of them differ, and how they read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from cdk_sglang.engine.rendering import PREFIX

_SUB: Final = re.compile(r"\$\{([^!}][^}]*)\}")
_LONGEST: Final = 60
"""Characters of a value in one line of a report."""
_TAG: Final = {"Key", "Value"}
_SAME: Final = 20
"""Characters before the first difference of two long values."""
_WORDS: Final[Mapping[str, str]] = {
    "InstanceType": "type",
    "MaxInstanceCount": "max_instances",
    "MinInstanceCount": "min_instances",
    "InitialInstanceCount": "instances at the start",
    "NumberOfAcceleratorDevicesRequired": "GPUs per copy",
    "NumberOfCpuCoresRequired": "CPU cores per copy",
    "MinMemoryRequiredInMb": "MiB of host memory per copy",
    "CopyCount": "copies",
    "Image": "image",
    "S3Uri": "weights",
    "ArtifactUrl": "archive",
    "VpcConfig": "network",
    "MaxCapacity": "max_copies",
    "MinCapacity": "min_copies",
}
"""Words of environment files for CloudFormation's."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Something that a value refers to.

    Attributes:
        kind: A resource of the same stack, an SSM parameter by its name, or an export of another stack.
        name: Logical id, parameter or export.
        attribute: Attribute of a resource; empty for `Ref`.
    """

    kind: Literal["resource", "parameter", "export"]
    name: str
    attribute: str = ""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One value that differs.

    Attributes:
        path: Names from the outer to the inner.
        before: Value of the first side; None if it has none.
        after: Value of the second side; None if it has none.
    """

    path: tuple[str, ...]
    before: Any
    after: Any

    def __str__(self) -> str:
        """Return the difference as one line in the words of environment files."""
        name = next((part for part in reversed(self.path) if not part.isdecimal()), "")
        name = name.removeprefix(PREFIX).lower() if name.startswith(PREFIX) else _WORDS.get(name, name)
        if any(_is_large(value) for value in (self.before, self.after)):  # JSON that is unreadable in one line
            return f"{name}: {'new' if self.before is None else 'gone' if self.after is None else 'another one'}"
        if self.before is None:
            return f"{name}: {shown(self.after)} is new"
        if self.after is None:
            return f"{name}: {shown(self.before)} is removed"
        before, after = _apart(shown(self.before, None), shown(self.after, None))
        return f"{name}: {before} -> {after}"


def parameter_values(template: Mapping[str, Any]) -> Mapping[str, Mapping[str, str]]:
    """Return what `Ref` of each parameter of a template stands for: an SSM parameter, or a default value.

    Args:
        template: A CloudFormation template.
    """
    return {
        name: {"Ssm": str(one.get("Default"))}
        if str(one.get("Type", "")).startswith("AWS::SSM::Parameter::Value")
        else {"Parameter": f"{name}={one.get('Default')}"}
        for name, one in template.get("Parameters", {}).items()
    }


def normal(value: object, parameters: Mapping[str, Mapping[str, str]]) -> Any:
    """Return a value that is equal in two templates if it means the same, whatever their parameters are called.

    Characters beyond ASCII become question marks, as in the templates that CloudFormation returns
    (https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1220).

    Args:
        value: A value of a template.
        parameters: What its parameters stand for.
    """
    if isinstance(value, Mapping):
        if list(value) == ["Ref"] and value["Ref"] in parameters:
            return dict(parameters[value["Ref"]])
        if list(value) == ["Fn::GetAtt"] and isinstance(value["Fn::GetAtt"], str):
            return {"Fn::GetAtt": value["Fn::GetAtt"].split(".", 1)}
        return {key: normal(part, parameters) for key, part in value.items()}
    if isinstance(value, str):
        return value.encode("ascii", "replace").decode()
    return [normal(part, parameters) for part in value] if isinstance(value, list) else value


def references(value: object) -> Iterator[Reference]:
    """Yield everything that a value made by `normal` refers to."""
    if isinstance(value, list):
        for part in value:
            yield from references(part)
    if not isinstance(value, Mapping):
        return
    for key, part in value.items():
        match key, part:
            case "Ref", str():
                yield Reference(kind="resource", name=part)
            case "Ssm", str():
                yield Reference(kind="parameter", name=part)
            case "Fn::GetAtt", [str() as name, str() as attribute]:
                yield Reference(kind="resource", name=name, attribute=attribute)
            case "Fn::ImportValue", str():
                yield Reference(kind="export", name=part)
            case "Fn::Sub", str() | [str(), *_]:
                text = part if isinstance(part, str) else part[0]
                for name, _, attribute in (found.partition(".") for found in _SUB.findall(text)):
                    yield Reference(kind="resource", name=name, attribute=attribute)
                yield from references(part)
            case _:
                yield from references(part)


def differences(before: object, after: object, path: tuple[str, ...] = ()) -> Iterator[Difference]:
    """Yield the innermost values in which two values differ.

    Args:
        before: A value made by `normal`, or None.
        after: The other one.
        path: Names that lead to both.
    """
    if before == after:
        return
    before, after = _tags(before), _tags(after)
    if isinstance(before, Mapping) and isinstance(after, Mapping) and not (_intrinsic(before) or _intrinsic(after)):
        for key in dict.fromkeys([*before, *after]):
            yield from differences(before.get(key), after.get(key), (*path, str(key)))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, (*path, str(number)))
    else:
        yield Difference(path=path, before=before, after=after)


def _is_large(value: object) -> bool:
    compound = isinstance(value, list) or (isinstance(value, Mapping) and not _intrinsic(value))
    return compound and len(_text(value)) > _LONGEST


def _tags(value: object) -> object:
    """Return tags by their keys; anything else as it is."""
    if isinstance(value, list) and value and all(isinstance(one, Mapping) and set(one) == _TAG for one in value):
        return {str(one["Key"]): one["Value"] for one in value}
    return value


def shown(value: object, longest: int | None = _LONGEST) -> str:
    """Return a value as short text, with references as <names>.

    Args:
        value: A value made by `normal`.
        longest: Characters; None for all of it.
    """
    text = _text(value)
    return text if longest is None or len(text) <= longest else f"{text[: longest - 3]}..."


def _text(value: object) -> str:  # noqa: PLR0911  one line for each kind
    match value:
        case {"Ssm": str() as name, **rest} if not rest:
            return f"<{name.rpartition('/')[2]}>"
        case {"Parameter": str() as name, **rest} if not rest:
            return f"<{name}>"
        case {"Ref": str() as name, **rest} if not rest:
            return f"<{name}>"
        case {"Fn::GetAtt": [str() as name, str()], **rest} if not rest:
            return f"<{name}>"
        case {"Fn::Join": [str() as separator, [*parts]], **rest} if not rest:
            return separator.join(map(_text, parts))
        case str():
            return value
        case _:
            return json.dumps(value, sort_keys=True)


def _intrinsic(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref", "Ssm", "Parameter"))


def _apart(before: str, after: str) -> tuple[str, str]:
    """Shorten two texts to the part in which they differ."""
    if max(len(before), len(after)) <= _LONGEST:
        return before, after
    same = next((at for at, (one, other) in enumerate(zip(before, after, strict=False)) if one != other), 0)
    begin = max(0, same - _SAME)
    return _part(before, begin), _part(after, begin)


def _part(text: str, begin: int) -> str:
    end = begin + _LONGEST - 6
    return ("..." if begin else "") + text[begin:end] + ("..." if len(text) > end else "")
