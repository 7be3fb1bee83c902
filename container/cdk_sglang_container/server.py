"""SGLang's application with the contract on it; SGLang's tokenizer workers import it by this module's path."""

from __future__ import annotations

import os

from sglang.srt.entrypoints.http_server import app

from cdk_sglang_container.adapter_routes import add_adapter_routes
from cdk_sglang_container.closed_routes import close_admin_routes
from cdk_sglang_container.contract import Contract
from cdk_sglang_container.engine import SglangEngine
from cdk_sglang_container.health import Health
from cdk_sglang_container.sessions import StickySessions
from cdk_sglang_container.settings import Settings
from cdk_sglang_container.visitors import add_visitors_check

__all__ = ["app"]


def _add_contract() -> None:
    """Put SageMaker's contract on SGLang's application: the middleware, the adapter routes, and the access checks."""
    settings = Settings.from_environment(os.environ)
    engine = SglangEngine(settings)
    health = Health(
        generate=engine.generate,
        beats=engine.beats,
        computes=engine.computes,
        started=lambda: engine.started,
        stopping=lambda: engine.draining,
        warmed_up=os.environ.get("CDK_SGLANG_WARMED_UP") == "1",
        wedged_after_s=settings.wedged_after_s,
        stalled_after_s=settings.stalled_after_s,
    )
    options = {"engine": engine, "health": health, "sessions": StickySessions(), "task": settings.task}
    app.add_middleware(Contract, max_body_bytes=settings.max_body_bytes, slow_after_s=settings.slow_after_s, **options)
    add_adapter_routes(app, engine=engine, folder=settings.adapters_dir)
    close_admin_routes(app, os.environ)
    add_visitors_check(app, os.environ)


_add_contract()
