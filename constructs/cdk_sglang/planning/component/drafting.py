"""Derives how a component drafts from its settings, so that the planner can count a draft before it is trained or measured."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cdk_sglang.planning.drafts import DraftKind, Speculation

if TYPE_CHECKING:
    from cdk_sglang.engine import SglangOptions
    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.spec.slo import Slo
    from cdk_sglang.spec.speculative import Speculative


def speculation_of(server: SglangOptions, facts: ModelFacts) -> Speculation | None:
    """Return how SGLang's own options draft; None if they do not, or if the draft is a separate model, whose architecture is unknown.

    Args:
        server: SGLang's options.
        facts: The target.
    """
    options = server.speculative
    if options is None or options.algorithm in {"STANDALONE", "DFLASH", "DSPARK"}:
        return None
    own = options.algorithm == "NEXTN" or (options.algorithm == "EAGLE" and facts.architecture.mtp_layers > 0)
    kind = DraftKind.LOOKUP if options.algorithm == "NGRAM" else DraftKind.OWN_LAYERS if own else DraftKind.HEAD
    return Speculation(kind=kind, steps=options.num_steps, draft_tokens=options.num_draft_tokens)


def gated_speculation(speculative: Speculative, draft: ModelFacts | None = None) -> Speculation:
    """Return how a component drafts after its gate has accepted a draft.

    Args:
        speculative: The settings.
        draft: Facts of a draft that was trained elsewhere; by default a head of the target's shape.
    """
    tokens = getattr(speculative.gate, "num_draft_tokens", None)
    steps = getattr(speculative.gate, "num_steps", None)
    if speculative.kind == "ngram":
        return Speculation(kind=DraftKind.LOOKUP, draft_tokens=tokens, gate=True)
    if speculative.kind == "nextn":
        return Speculation(kind=DraftKind.OWN_LAYERS, steps=steps, draft_tokens=tokens, gate=True)
    if draft is None:
        return Speculation(kind=DraftKind.HEAD, steps=steps, draft_tokens=tokens, gate=True)
    shape = draft.architecture
    return Speculation(
        kind=DraftKind.HEAD,
        steps=steps,
        draft_tokens=tokens,
        layers=max(1, shape.layers),
        intermediate_size=shape.intermediate_size or None,
        gate=True,
    )


def with_promise(speculation: Speculation | None, slo: Slo | None) -> Speculation | None:
    """Return the speculation with the accept length that the objectives state, for example that of the promoted draft.

    Args:
        speculation: How a component drafts; None without a draft.
        slo: Its objectives; None without any.
    """
    if speculation is None or slo is None or slo.accept_length is None:
        return speculation
    return dataclasses.replace(speculation, accept_length=slo.accept_length)
