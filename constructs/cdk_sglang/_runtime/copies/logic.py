"""The number of copies that CloudFormation sends with an update of a component: the live number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient


@dataclass(frozen=True, kw_only=True)
class Properties:
    """Properties of the custom resource; CloudFormation passes numbers as strings."""

    component: str
    initial: int
    fewest: int
    most: int
    touches: tuple[str, ...]
    """Properties of the component other than its copies, as opaque texts; a change means that the update changes the component."""

    @classmethod
    def parse(cls, properties: dict[str, Any]) -> Properties:
        """Parse the properties of an event."""
        return cls(
            component=properties["Component"],
            initial=int(properties["Initial"]),
            fewest=int(properties["Fewest"]),
            most=int(properties["Most"]),
            touches=(
                properties["Endpoint"],
                properties["Model"],
                properties["Fingerprint"],
                *properties.get("Alarms", ()),
            ),
        )

    def clamp(self, copies: int) -> int:
        """Clamp a count to the scaling bounds that apply after the update."""
        return min(max(copies, self.fewest), self.most)

    def physical_id(self, copies: int) -> str:
        """Return a physical id that contains the answer; a Delete of an older id does nothing."""
        return f"{self.component}:{copies}"


def answer(
    sagemaker: SageMakerClient, properties: Properties, *, before: Properties | None, physical_id: str
) -> tuple[int, str]:
    """Return the count, and the physical id that contains it.

    Args:
        sagemaker: Client of boto3.
        properties: Current properties.
        before: Properties of the last deployment; None on Create.
        physical_id: Id of the last deployment; empty on Create.
    """
    if before is not None and _only_bounds_differ(properties, before):
        # The update does not change the component; a different answer would.
        last = _last(physical_id)
        if last is not None and properties.clamp(last) == last:
            return last, physical_id
    live = _live(sagemaker, properties.component)
    copies = properties.initial if live is None else properties.clamp(live)
    return copies, properties.physical_id(copies)


def _only_bounds_differ(properties: Properties, before: Properties) -> bool:
    return properties == replace(before, initial=properties.initial, fewest=properties.fewest, most=properties.most)


def _last(physical_id: str) -> int | None:
    count = physical_id.rpartition(":")[2]
    return int(count) if count.isdecimal() else None


def _live(sagemaker: SageMakerClient, component: str) -> int | None:
    """Return the desired number of copies; None if the component does not exist. Other errors are raised."""
    try:
        description = sagemaker.describe_inference_component(InferenceComponentName=component)
    except ClientError as error:
        details = error.response["Error"]
        if details["Code"] == "ValidationException" and "could not find" in details.get("Message", "").lower():
            return None
        raise
    return int(description["RuntimeConfig"]["DesiredCopyCount"])
