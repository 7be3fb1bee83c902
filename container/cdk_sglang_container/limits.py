"""Bounds of one request, set by the loaded model and by the operator."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """Bounds of a request's fields.

    Attributes:
        vocabulary: Tokens of the loaded model; token ids are 0 to `vocabulary` - 1.
        context: Tokens that prompt and answer may have together.
        width: Numbers of an embedding in place of a token. Default: not checked.
        truncates: Whether SGLang shortens what is longer than the context instead of refusing it.
        sequences: Sequences one request may generate: its prompts times `n`.
        top_logprobs: Alternatives per token that a request may ask for.
        depth: Levels of nested arrays and objects in a body.
        grammar_bytes: Length of a grammar: JSON schema, regular expression, EBNF, or tools.
    """

    vocabulary: int
    context: int
    width: int | None = None
    truncates: bool = False
    sequences: int = 64
    top_logprobs: int = 20
    depth: int = 64
    grammar_bytes: int = 65_536
