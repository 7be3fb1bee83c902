"""Steps of the pipeline, the functions that run them, and its named ends: names that state machine, functions and CLI share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cdk_sglang.spec.speculative import Kind


@dataclass(frozen=True, kw_only=True)
class Group:
    """Steps that need the same permissions, with one role for all of them and a function for each.

    Attributes:
        name: Name of the group, which begins the ids of its role and log group.
        steps: Steps by the name of their entry in `_runtime/speculative/handler.py`.
        minutes: Longest run of one call.
        description: What the functions do.
        memory_mib: Memory of each function, and with it its share of a processor and of the network.
        kinds: Kinds of drafts that need the group.
    """

    name: str
    steps: tuple[str, ...]
    minutes: int
    description: str
    memory_mib: int = 256
    kinds: tuple[Kind, ...] = ("eagle", "draft", "nextn", "ngram")


GROUPS: Final = (
    Group(
        name="Inputs",
        steps=("check_inputs",),
        minutes=15,
        description="Checks what a draft is to be made of",
        memory_mib=1024,
    ),
    Group(
        name="Training",
        steps=("start_training", "watch_training"),
        minutes=2,
        description="Starts, watches and stops the training of a draft",
        kinds=("eagle",),
    ),
    Group(
        name="Draft",
        steps=("read_draft", "assemble"),
        minutes=15,
        description="Checks a draft, and puts it beside its model",
        memory_mib=512,
        kinds=("eagle", "draft"),
    ),
    Group(
        name="Gate",
        steps=("open_gate", "watch_gate_open", "close_gate"),
        minutes=5,
        description="Creates and deletes the two copies that are measured",
    ),
    Group(name="Bench", steps=("run_gate",), minutes=5, description="Measures a draft beside its model alone"),
    Group(
        name="Verdict",
        steps=("judge",),
        minutes=5,
        description="Says whether a draft is faster, and keeps the evidence",
    ),
    Group(name="Approval", steps=("ask_approval",), minutes=1, description="Asks a person whether a draft may serve"),
    Group(
        name="Promotion",
        steps=("promote", "watch_promotion"),
        minutes=2,
        description="Makes a draft what its component serves",
    ),
    Group(
        name="CleanUp", steps=("clean_up",), minutes=15, description="Removes what a run of the pipeline must not leave"
    ),
)
"""All groups; a pipeline has those of its kind."""

GOOD_ENDS: Final = ("Promoted", "GateSaidNo", "ApprovalRefused", "ApprovalTimedOut")
"""Ends at which the execution has succeeded, which includes the rejection of a draft."""
BAD_ENDS: Final = (
    "AlreadyRunning",
    "InputsRefused",
    "JobFailed",
    "JobStopped",
    "CeilingReached",
    "DraftRefused",
    "GateFailed",
    "BaseChanged",
    "PromotionRolledBack",
    "Failed",
)
"""Ends at which the execution has failed, with the same name as its error."""
STOPPED: Final = "Stopped"
"""End of an execution that `cdk-sglang eagle stop` has aborted; no state of the machine, which goes through none then."""
APPROVAL_DAYS: Final = 7
"""Maximum time that the pipeline waits for approval."""


def groups_of(kind: Kind) -> tuple[Group, ...]:
    """Return the groups that the pipeline of a kind needs.

    Args:
        kind: Source of the draft.
    """
    return tuple(group for group in GROUPS if kind in group.kinds)
