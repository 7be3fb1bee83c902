"""Limit the time of grammars: requests whose grammar costs the scheduler too much time per token are ended, before every other caller waits for them.

xgrammar 0.2.7, which sglang 0.5.23 uses, keeps every parse of the generated text, and an ambiguous grammar that repeats itself has more of them with
every token. Measured on one core (2026-12): `root ::= root root | "a"` costs 117 ms at the 400th token, `root ::= root "+" root | "n"` 45 ms, both
rising; JSON, unambiguous recursion and palindromes cost less than 0.3 ms up to the 1,600th. Whether a grammar is ambiguous cannot be decided, so
the time is measured, in the schedulers' processes.
"""

from __future__ import annotations

import functools
import logging
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("cdk_sglang_container")

_BURST_S = 2.0
# Of the scheduler's time, in addition to the allowance per token: after a refusal, the next request of the grammar is admitted within seconds.
_RECOVERED = 0.02
_ACCOUNT = "cdk_sglang_account"


class Account:
    """Time that one compiled grammar has cost beyond its allowance, over all requests that use it.

    Args:
        per_token_s: Seconds of the scheduler's time that the grammar may take for each token.
        clock: Returns the time in seconds.
    """

    def __init__(self, per_token_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_token_s, self._clock = per_token_s, clock
        self._debt_s, self._at_s = 0.0, clock()

    def charge(self, seconds: float, *, tokens: int) -> None:
        """Add the seconds that the grammar has cost, and subtract the allowance for the accepted tokens."""
        now = self._clock()
        allowed = tokens * self._per_token_s + _RECOVERED * (now - self._at_s)
        self._debt_s, self._at_s = max(0.0, self._debt_s + seconds - allowed), now

    def is_overdrawn(self) -> bool:
        """Whether the grammar has cost two seconds more than it may."""
        self.charge(0.0, tokens=0)
        return self._debt_s > _BURST_S


def limit_grammars(grammar: Any, processor: Any, abort: Callable[..., object], *, per_token_s: float) -> None:
    """Measure the grammars of a scheduler's process, and end the requests of those that cost too much.

    Args:
        grammar: SGLang's class of a request's grammar, which is changed.
        processor: SGLang's class that hands the grammars their tokens, which is changed.
        abort: Builds SGLang's finish reason of an aborted request from message, status and type.
        per_token_s: Seconds that a grammar may take for each token.
    """
    grammar.accept_token = _measured(grammar.accept_token, per_token_s, tokens=1)
    grammar.fill_vocab_mask = _measured(grammar.fill_vocab_mask, per_token_s, tokens=0)
    message = (
        f"the grammar takes more than {per_token_s * 1000:g} ms a token: every reading of an ambiguous grammar is kept; "
        "state it without alternatives that match the same text, such as repeats of what repeats itself"
    )

    def ends(request: Any) -> bool:
        account = _account_of(request.grammar)
        if account is None or not account.is_overdrawn():
            return False
        if request.to_finish is None:
            logger.warning("a request is ended: its grammar takes more than %g ms a token", per_token_s * 1000)
            request.to_finish = abort(message, HTTPStatus.BAD_REQUEST, "BadRequestError")
        return True

    accept, prefill = processor._accept_grammar_tokens, processor._apply_prefill_grammar

    @functools.wraps(accept)
    def accepting(self: Any, req: Any, tokens: Any) -> Any:
        return [] if ends(req) else accept(self, req, tokens)

    @functools.wraps(prefill)
    def prefilling(self: Any, *, req: Any, **options: Any) -> None:
        if ends(req):
            req.grammar.finished = req.finished()
        else:
            prefill(self, req=req, **options)

    processor._accept_grammar_tokens, processor._apply_prefill_grammar = accepting, prefilling


def _measured(work: Callable[..., Any], per_token_s: float, *, tokens: int) -> Callable[..., Any]:
    """A method of a grammar whose time is charged to the grammar's account; waiting for a processor is not its time."""

    @functools.wraps(work)
    def measured(self: Any, *arguments: Any) -> Any:
        began = time.thread_time()
        try:
            return work(self, *arguments)
        finally:
            account = _account_of(self) or self.ctx.__dict__.setdefault(_ACCOUNT, Account(per_token_s))
            account.charge(time.thread_time() - began, tokens=tokens)

    return measured


def _account_of(grammar: Any) -> Account | None:
    """The account of a request's grammar, which SGLang wraps for models that reason; None where nothing was measured yet."""
    compiled = getattr(getattr(grammar, "grammar", None) or grammar, "ctx", None)
    account: Account | None = getattr(compiled, "__dict__", {}).get(_ACCOUNT)
    return account
