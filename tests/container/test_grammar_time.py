"""Grammars whose readings multiply: their own requests end, and nobody else waits for them."""

from __future__ import annotations

import concurrent.futures
import time
from http import HTTPStatus
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from cdk_sglang_container.grammar_time import Account, limit_grammars
from engine_server import EngineServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PER_TOKEN_S = 0.005
AMBIGUOUS = ('root ::= root root | "a"', 'root ::= root "+" root | "n"', 'root ::= ("a" root?)*')
UNAMBIGUOUS = 'root ::= "[" (root ("," root)*)? "]" | [0-9] root'


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_grammar_has_two_seconds_and_its_allowance_and_recovers() -> None:
    clock = Time()
    account = Account(PER_TOKEN_S, clock=clock)
    for _ in range(1000):
        account.charge(0.0069, tokens=1)
    assert not account.is_overdrawn(), "1.9 s too much"
    for _ in range(100):
        account.charge(0.0069, tokens=1)
    assert account.is_overdrawn()
    clock.now = 10.0
    assert not account.is_overdrawn()


def test_what_a_grammar_has_not_used_is_not_saved_up() -> None:
    account = Account(PER_TOKEN_S, clock=Time())
    account.charge(0.0, tokens=1_000_000)
    account.charge(2.1, tokens=1)
    assert account.is_overdrawn()


class Work:
    """Seconds that each call takes of the processor."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.used_s, self.each_s = 0.0, 0.0
        monkeypatch.setattr(time, "thread_time", lambda: self.used_s)

    def __call__(self) -> None:
        self.used_s += self.each_s


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    return Work(monkeypatch)


@pytest.fixture
def request_of(work: Work) -> Callable[[Any], Any]:
    """Two classes of SGLang's in short, limited; returns a request with a grammar, and `step`, which generates a token of it."""

    class Compiled: ...

    class Grammar:
        finished = False

        def __init__(self, ctx: Any) -> None:
            self.ctx, self.accepted = ctx, list[int]()

        def accept_token(self, token: int) -> None:
            work()
            self.accepted.append(token)

        def fill_vocab_mask(self, mask: object, place: int) -> None:
            del mask, place
            work()

    class Processor:
        def _accept_grammar_tokens(self, req: Any, tokens: list[int]) -> list[int]:
            for token in tokens:
                getattr(req.grammar, "grammar", req.grammar).accept_token(token)
            return tokens

        def _apply_prefill_grammar(self, *, req: Any, next_token_id: int, already_advanced: bool = False) -> None:
            del already_advanced
            req.grammar.accept_token(next_token_id)

    limit_grammars(Grammar, Processor, lambda *reason: reason, per_token_s=PER_TOKEN_S)
    processor = Processor()

    def request(ctx: Any = None, *, reasons: bool = False) -> Any:
        grammar: Any = Grammar(ctx or Compiled())
        inner = grammar
        if reasons:
            grammar = SimpleNamespace(grammar=inner, finished=False)
        engine_request = SimpleNamespace(
            grammar=grammar, to_finish=None, finished=lambda: False, ctx=inner.ctx, inner=inner
        )

        def step(tokens: list[int]) -> list[int]:
            inner.fill_vocab_mask(None, 0)
            return processor._accept_grammar_tokens(engine_request, tokens)

        engine_request.step, engine_request.prefill = (
            step,
            lambda token: processor._apply_prefill_grammar(req=engine_request, next_token_id=token),
        )
        return engine_request

    return request


@pytest.mark.parametrize("reasons", [False, True])
def test_a_request_whose_grammar_costs_too_much_ends_with_400_and_another_goes_on(
    request_of: Callable[..., Any], work: Work, *, reasons: bool
) -> None:
    costly, cheap = request_of(reasons=reasons), request_of(reasons=reasons)
    for _ in range(30):
        work.each_s = 0.1
        costly.step([1])
        work.each_s = 0.001
        assert cheap.step([1, 2]) == [1, 2]
    message, status, kind = costly.to_finish
    assert (status, kind) == (HTTPStatus.BAD_REQUEST, "BadRequestError")
    assert message.startswith("the grammar takes more than 5 ms a token")
    assert len(costly.inner.accepted) < 15
    assert costly.step([1]) == [], "nothing more is spent on it"
    assert cheap.to_finish is None


def test_many_requests_of_one_grammar_have_one_allowance_together(request_of: Callable[..., Any], work: Work) -> None:
    first = request_of()
    every = [first, *(request_of(first.ctx) for _ in range(63))]
    work.each_s = 0.1
    for request in every:
        request.prefill(1)
    assert sum(len(request.inner.accepted) for request in every) < 30
    assert every[-1].to_finish is not None


@pytest.fixture(scope="module")
def server(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineServer]:
    running = EngineServer(model=models["base"], log=tmp_path_factory.mktemp("grammars") / "server.log")
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.mark.engine
@pytest.mark.timeout(600)
def test_an_ambiguous_grammar_is_400_on_the_engine_and_its_neighbours_are_answered(server: EngineServer) -> None:
    def generation(grammar: str, tokens: int) -> Any:
        sampling = {"ebnf": grammar, "max_new_tokens": tokens, "min_new_tokens": tokens}
        return server.request("POST", "/generate", {"text": "x", "sampling_params": sampling}, timeout_s=300)

    with concurrent.futures.ThreadPoolExecutor(len(AMBIGUOUS)) as pool:
        replies = pool.map(lambda grammar: generation(grammar, 1900), AMBIGUOUS)
        neighbour = server.chat(max_tokens=4)
        for reply in replies:
            assert reply.status == HTTPStatus.BAD_REQUEST, reply.body
            assert "the grammar takes more than 5 ms a token" in reply.json["error"]["message"]
    assert neighbour.status == HTTPStatus.OK
    assert generation(UNAMBIGUOUS, 200).status == HTTPStatus.OK
    assert server.ping() == HTTPStatus.OK
