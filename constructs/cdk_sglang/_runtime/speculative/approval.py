"""The question to a person: the task token is kept in the bucket, and the mail has the verdict and the command, never the token."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from .clients import Aws
from .config import Config
from .event import Event
from .store import write_json

DAYS = 7
_SUBJECT_MAX = 100
"""Maximum length of a mail's subject (docs.aws.amazon.com/sns/latest/api/API_Publish.html, read 2026-11)."""


def approval_key(config: Config, run: str) -> str:
    """Return the key of a run's question."""
    return f"{config.run_prefix(run)}approval.json"


def ask(aws: Aws, config: Config, event: Event, now: dt.datetime, seconds_left: Callable[[], float]) -> dict[str, Any]:
    """Keep the token, and send the question; a repeated call replaces the token, since only the last one is answered."""
    del seconds_left
    if not event.token:
        raise ValueError("the state machine has sent no task token")
    verdict = event.result("verdict")
    until = now + dt.timedelta(days=DAYS)
    content = {
        "schema": 1,
        "run": event.run,
        "component": config.component,
        "token": event.token,
        "asked": now.isoformat(timespec="seconds"),
        "until": until.isoformat(timespec="seconds"),
        "report": verdict.get("report"),
        "model_package_arn": verdict.get("model_package_arn"),
    }
    write_json(aws.s3, config.bucket, approval_key(config, event.run), content)
    subject = f"{config.component}: may draft {event.run} serve?"
    length = verdict.get("accept_length")
    lines = [
        f"A draft for component {config.component} of environment {config.environment} has passed its gate.",
        "",
        *(f"- {reason}" for reason in verdict.get("reasons", ())),
        f"- speed-up: {verdict.get('speedup')}, accept length: {'not measured' if length is None else length}",
        f"- report: {verdict.get('report')}",
        "",
        f"Yes:    cdk-sglang eagle promote {config.place_of_command} --run {event.run}",
        f"No:     cdk-sglang eagle reject {config.place_of_command} --run {event.run}",
        f"Report: cdk-sglang eagle report {config.place_of_command} --run {event.run}",
        "",
        f"Without an answer until {until:%Y-%m-%d %H:%M} UTC nothing changes, and the version is deleted.",
    ]
    aws.sns.publish(TopicArn=config.topic_arn, Subject=subject[:_SUBJECT_MAX], Message="\n".join(lines))
    return {"asked": content["asked"]}
