"""Predicted effect of drafting: how much faster or slower a component gets at its load, and at which loads the sign changes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cdk_sglang.planning.calibration import calibration
from cdk_sglang.planning.drafts import RUNNING_MAX, DraftKind
from cdk_sglang.planning.features import Load, columns, mixed_tokens, question_features
from cdk_sglang.planning.speculation import FIXED_RANGE_MS, SPREAD, TokenTimes, faster_or_slower, token_times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdk_sglang.planning.calibration import Calibration
    from cdk_sglang.planning.rows import Question

_NOUNS: Final = {
    DraftKind.HEAD: "an EAGLE head",
    DraftKind.OWN_LAYERS: "the model's own prediction layers",
    DraftKind.LOOKUP: "NGRAM",
}


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A load at which drafting changes from faster to slower, or back.

    Args:
        concurrency: Requests in flight per copy at which the change happens.
        faster: Whether drafting is faster from there on.
    """

    concurrency: float
    faster: bool


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """How drafting is predicted to change the time per output token of one copy.

    Args:
        kind: Source of the drafts.
        steps: Tokens drafted in sequence.
        draft_tokens: Tokens verified in one pass for each request.
        accept_length: Tokens per verification step used for the prediction.
        is_assumed: Whether that accept length is assumed; `slo.accept_length` specifies it.
        concurrency: Requests in flight per copy.
        speedup: Time per token without drafting, divided by that with drafting; below 1 if drafting is slower.
        low: Lower end of its range: the smallest accept length and the most expensive cycle.
        high: Upper end of its range.
        breaks_even: Accept length from which drafting is faster at that concurrency.
        turns: Loads at which drafting changes from faster to slower, or back, in ascending order.
        most: Highest number of requests in flight considered: the number that SGLang serves at once.
        gate: Whether the draft serves only after a gate has measured that it is faster.
    """

    kind: DraftKind
    steps: int
    draft_tokens: int
    accept_length: float
    is_assumed: bool
    concurrency: float
    speedup: float
    low: float
    high: float
    breaks_even: float
    turns: tuple[Turn, ...]
    most: float
    gate: bool

    @property
    def verdict(self) -> str:
        """`faster`, `slower`, or `unsure` if the range includes both."""
        return faster_or_slower(self.low, self.high)

    @property
    def turning(self) -> str:
        """In words, the loads at which drafting changes from faster to slower, or back."""
        if not self.turns:
            return f"{'faster' if self.speedup >= 1 else 'slower'} at every concurrency up to {self.most:g}"
        return ", ".join(
            f"{'faster' if one.faster else 'slower'} from {one.concurrency:g} in flight" for one in self.turns
        )

    @property
    def text(self) -> str:
        """One-line summary for readers of the plan."""
        shape = (f"{self.steps} steps, " if self.steps else "") + f"{self.draft_tokens} verified tokens"
        assumed = "assumed" if self.is_assumed else "given"
        after = "; serves only once the gate has measured it" if self.gate else ""
        if self.concurrency > self.most:
            after = (
                f"; SGLang serves {self.most:g} at once with a draft, set server.max_running_requests for more{after}"
            )
        return (
            f"speculation by {_NOUNS[self.kind]} ({shape}): {self.verdict}, {self.speedup:.2f}x ({self.low:.2f} to {self.high:.2f}) at "
            f"{self.concurrency:g} in flight with an accept length of {self.accept_length:g} ({assumed}); breaks even at {self.breaks_even:.1f}; "
            f"{self.turning}{after}"
        )


def outlook(question: Question, *, concurrency: float, using: Calibration | None = None) -> Outlook | None:
    """Return the predicted effect of drafting; None without drafting, or if times cannot be predicted.

    Args:
        question: The configuration and its load.
        concurrency: Requests in flight per copy.
        using: Calibration to predict with; the package's if None.
    """
    fitted = calibration() if using is None else using
    speculation, model = question.speculation, question.facts.architecture
    if speculation is None or not question.facts.described or not model.kv_known:
        return None
    steps, tokens = speculation.options(model)
    least, accept, most = speculation.accept_lengths
    cap = question.options.max_running_requests or RUNNING_MAX
    counts = sorted({round(count) for count in np.geomspace(1, cap, min(cap, RUNNING_MAX))})

    def times(at: list[float], accepted: float, fixed: float | None = None) -> TokenTimes:
        lengths = (question.input_tokens, question.output_tokens)
        chunk = mixed_tokens(question)
        loads = [
            Load(
                input_tokens=lengths[0],
                output_tokens=lengths[1],
                running=max(1.0, one),
                arrivals=question.arrivals,
                mixed_tokens=chunk,
                encoder_tflop=question.encoder_tflop,
            )
            for one in at
        ]
        found = token_times(question, loads, fitted, accept_length=accepted, fixed=fixed)
        return _as_measured(found, question, loads, fitted, accepted)

    def speedup(accepted: float, fixed: float | None = None) -> float:
        waiting = max(
            1.0, concurrency / cap
        )  # with drafting SGLang serves no more at once, and the waiting requests are served later
        plain, drafted = times([concurrency], accepted).plain, times([min(concurrency, cap)], accepted, fixed).drafted
        return float(plain[0] / (drafted[0] * waiting))

    here, across = times([concurrency], accept), times([float(count) for count in counts], accept)
    cheap, expensive = FIXED_RANGE_MS
    return Outlook(
        kind=speculation.kind,
        steps=steps,
        draft_tokens=tokens,
        accept_length=accept,
        is_assumed=speculation.is_assumed,
        concurrency=concurrency,
        speedup=speedup(accept),
        low=speedup(least, expensive) / SPREAD,
        high=speedup(most, cheap) * SPREAD,
        breaks_even=float(here.cycle[0] / (here.plain[0] - here.others[0])),
        turns=_turns(
            counts, [bool(plain >= drafted) for plain, drafted in zip(across.plain, across.drafted, strict=True)]
        ),
        most=float(cap),
        gate=speculation.gate,
    )


def _as_measured(
    times: TokenTimes, question: Question, loads: Sequence[Load], fitted: Calibration, accepted: float
) -> TokenTimes:
    """Return the times corrected by the user's own measurements with speculative decoding; unchanged if there are none."""
    if fitted.drafted is None:
        return times
    table = columns([question_features(question, load) for load in loads])
    nothing = np.zeros_like(times.plain)
    drafted = times.drafted * np.exp(fitted.drafted.correct(table, nothing, nothing)[0])
    return dataclasses.replace(times, drafted=drafted, cycle=np.maximum(accepted * (drafted - times.others), nothing))


def _turns(counts: list[int], faster: list[bool]) -> tuple[Turn, ...]:
    changed = [position for position in range(1, len(counts)) if faster[position] != faster[position - 1]]
    return tuple(Turn(concurrency=float(counts[position]), faster=faster[position]) for position in changed)
