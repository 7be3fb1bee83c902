"""How many copies CloudFormation is to send with an update of a component: as many as there are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Properties of one custom resource; CloudFormation hands numbers over as strings."""

    component: str
    initial: int
    fewest: int
    most: int
    touches: tuple[str, ...]
    """What the update changes of the component besides its copies, as opaque texts."""

    @classmethod
    def parse(cls, properties: dict[str, Any]) -> Asked:
        """Read them."""
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
        """Keep a count between the bounds that scaling has after the update."""
        return min(max(copies, self.fewest), self.most)

    def physical_id(self, copies: int) -> str:
        """Remember the answer in the id: a Delete of an older id does nothing."""
        return f"{self.component}:{copies}"


def answer(sagemaker: SageMakerClient, asked: Asked, *, before: Asked | None, physical_id: str) -> tuple[int, str]:
    """Return the count, and the id under which CloudFormation keeps it.

    Args:
        sagemaker: Client of boto3.
        asked: Properties now.
        before: Properties of the last deployment; None on Create.
        physical_id: Id of the last deployment; empty on Create.
    """
    if before is not None and _only_bounds_differ(asked, before):
        # The update does not touch the component, and another answer would make it do so.
        last = _last(physical_id)
        if last is not None and asked.clamp(last) == last:
            return last, physical_id
    live = _live(sagemaker, asked.component)
    copies = asked.initial if live is None else asked.clamp(live)
    return copies, asked.physical_id(copies)


def _only_bounds_differ(asked: Asked, before: Asked) -> bool:
    return asked == replace(before, initial=asked.initial, fewest=asked.fewest, most=asked.most)


def _last(physical_id: str) -> int | None:
    count = physical_id.rpartition(":")[2]
    return int(count) if count.isdecimal() else None


def _live(sagemaker: SageMakerClient, component: str) -> int | None:
    """Return the copies wanted now, or None where there is no such component; any other trouble is the caller's."""
    try:
        found = sagemaker.describe_inference_component(InferenceComponentName=component)
    except ClientError as error:
        said = error.response["Error"]
        if said["Code"] == "ValidationException" and "could not find" in said.get("Message", "").lower():
            return None
        raise
    return int(found["RuntimeConfig"]["DesiredCopyCount"])
