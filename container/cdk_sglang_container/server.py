"""SGLang's application with the contract on it; SGLang's tokenizer workers import it by this module's path."""

from __future__ import annotations

from sglang.srt.entrypoints.http_server import app

from cdk_sglang_container.engine import add_contract

add_contract(app)

__all__ = ["app"]
