"""Versions of a component's draft: which one serves, which were approved, and which one came before."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.shared.drafts import ALLOWED_VALUES, BASE_VALUE, FIELDS

BASE: Final = "base"
"""Name of the model alone where a version is asked for."""
APPROVED, PENDING, REJECTED = "Approved", "PendingManualApproval", "Rejected"
"""ModelApprovalStatus of the model registry."""
_RUN: Final = re.compile(r"r[0-9]{8}T[0-9]{6}-[0-9a-f]{4}")


def run_problems(run: str) -> list[str]:
    """Return why a text is not the name of a run; an empty list if it is one."""
    if _RUN.fullmatch(run):
        return []
    return [
        f"{run!r} is not the name of a run; it looks like r20261130T161200-4f2a (cdk-sglang eagle status lists them)"
    ]


@dataclass(frozen=True, kw_only=True)
class Served:
    """What a component serves, as the parameter of its stack says it.

    Args:
        version: Name of the version; `base` for the model alone.
        prefix: Its prefix in the weights bucket; empty for the model alone.
        algorithm: SGLang's algorithm.
        steps: Tokens drafted in sequence.
        topk: Branches per step.
        draft_tokens: Tokens verified in one pass.
        accept_length: Accept length measured by the gate; None if it was not measured.
    """

    version: str
    prefix: str = ""
    algorithm: str = ""
    steps: int | None = None
    topk: int | None = None
    draft_tokens: int | None = None
    accept_length: float | None = None

    @property
    def is_base(self) -> bool:
        """Whether the model serves alone."""
        return self.version == BASE

    @classmethod
    def parse(cls, value: str) -> Served:
        """Return what a value of the parameter says.

        Args:
            value: Seven fields separated by commas.

        Raises:
            ConfigurationError: The value has another form.
        """
        if not re.fullmatch(ALLOWED_VALUES, value):
            shape = ",".join(f"<{field}>" for field in FIELDS)
            raise ConfigurationError(
                [Problem("version", f"{value!r} is no version of a draft; expected {BASE_VALUE} or {shape}")]
            )
        version, prefix, algorithm, steps, topk, tokens, length = value.split(",")
        return cls(
            version=version,
            prefix=prefix,
            algorithm=algorithm,
            steps=int(steps) if steps else None,
            topk=int(topk) if topk else None,
            draft_tokens=int(tokens) if tokens else None,
            accept_length=float(length) if length else None,
        )

    @property
    def text(self) -> str:
        """The version in words."""
        if self.is_base:
            return "the model alone"
        length = "" if self.accept_length is None else f", accept length {self.accept_length:g} when it was measured"
        shape = "" if self.steps is None else f"{self.steps} steps, "
        return f"{self.version} ({self.algorithm}, {shape}{self.draft_tokens} draft tokens{length})"


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version as the model registry keeps it.

    Args:
        run: Run that made it, which is its name.
        arn: ARN of its model package.
        status: Approval status.
        parameter: Parameter of the serving stack that it was made for, which follows the base model.
        value: Value of that parameter with which it serves.
        reason: Why it was approved or rejected; empty if nobody said.
        evidence: Figures of its gate, as texts.
    """

    run: str
    arn: str
    status: str
    parameter: str
    value: str
    reason: str
    evidence: Mapping[str, str]

    @classmethod
    def of(cls, package: Mapping[str, Any]) -> Version:
        """Return the version of a described model package."""
        evidence = {str(key): str(value) for key, value in (package.get("CustomerMetadataProperties") or {}).items()}
        return cls(
            run=evidence.get("run", ""),
            arn=str(package["ModelPackageArn"]),
            status=str(package.get("ModelApprovalStatus", "")),
            parameter=evidence.get("parameter", ""),
            value=evidence.get("value", ""),
            reason=str(package.get("ApprovalDescription", "")),
            evidence=evidence,
        )


def servable_problems(version: Version, *, parameter: str) -> list[str]:
    """Return why a version cannot serve; an empty list if it can.

    Args:
        version: The version.
        parameter: Parameter of the serving stack as it is deployed.
    """
    if version.status == REJECTED:
        why = f": {version.reason}" if version.reason else ""
        return [f"{version.run} was rejected{why}; start another run (cdk-sglang eagle start)"]
    if version.status != APPROVED:
        return [
            f"{version.run} was never approved ({version.status or 'no status'}); start another run (cdk-sglang eagle start)"
        ]
    if version.parameter != parameter:
        return [
            f"{version.run} is for a base model that the component does not have any more; start another run (cdk-sglang eagle start)"
        ]
    if not re.fullmatch(ALLOWED_VALUES, version.value):
        return [
            f"{version.run} keeps no value for the stack's parameter, got {version.value!r}; start another run (cdk-sglang eagle start)"
        ]
    return []


def previous_of(versions: Sequence[Version], *, served: str, parameter: str) -> Version | None:
    """Return the version that was approved before the one that serves; None if the model alone came before.

    Args:
        versions: Versions of the component.
        served: Name of the version that serves.
        parameter: Parameter of the serving stack as it is deployed.
    """
    # Names of runs begin with their time, so that they sort by it.
    earlier = [one for one in versions if one.run < served and not servable_problems(one, parameter=parameter)]
    return max(earlier, key=lambda one: one.run, default=None)
