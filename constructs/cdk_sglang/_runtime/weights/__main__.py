"""`python -m weights stage|verify|list`: human-readable lines, or JSON lines for the program that shows a progress bar."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Sequence
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from . import manifest
from .check import check_prefix
from .hub import HUGGING_FACE, Hub
from .problems import UsageError, WeightsError
from .stage import WORKERS, Order, stage

_TOKEN_VARIABLES: Final = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_CONFIG: Final = Config(retries={"mode": "standard", "max_attempts": 10}, max_pool_connections=64)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 the answer is no, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    report = _Reporter(as_json=options.json)
    try:
        return int(options.run(options, report))
    except UsageError as error:
        report("error", {"message": str(error)})
        return 2
    except WeightsError as error:
        report("error", {"message": str(error)})
    except (ClientError, BotoCoreError) as error:
        report("error", {"message": f"AWS: {error}"})
    return 1


class _Reporter:
    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._lock = threading.Lock()

    def __call__(self, event: str, details: dict[str, Any]) -> None:
        with self._lock:
            if self._json:
                print(json.dumps({"event": event, **details}), flush=True)
            elif event == "error":
                print(f"error: {details['message']}", file=sys.stderr, flush=True)
            else:
                print(_sentence(event, details), flush=True)


def _sentence(event: str, details: dict[str, Any]) -> str:
    match event:
        case "plan":
            return (
                f"{details['repo']} {details['revision'][:12]}: {details['files']} files to copy, {details['bytes'] / 1e9:.2f} GB; "
                f"{details['there']} there already, {details['left_out']} left out; licence {details['license']}"
            )
        case "progress":
            return f"{details['bytes'] / 1e9:.2f} GB"
        case "file":
            return f"copied {details['path']} ({details['bytes'] / 1e6:.1f} MB)"
        case "retry" | "unread":
            return f"{'again' if event == 'retry' else 'left out'}: {details['message']}"
        case "done":
            return f"staged {details['files']} files, {details['bytes'] / 1e9:.2f} GB, below {details['prefix']}"
        case _:
            return json.dumps(details)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="weights", description="Weights in S3: stage, verify, list")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("stage", help="copy a model from a hub")
    one.add_argument("repo")
    one.add_argument("--revision", required=True, help="commit, 40 hexadecimal digits")
    one.add_argument("--bucket", required=True)
    one.add_argument("--token-secret", help="ARN or name of a secret with a read token")
    one.add_argument("--include", action="append", default=[])
    one.add_argument("--exclude", action="append", default=[])
    one.add_argument("--draft", action="store_true", help="a draft of another model, whose tokenizer it takes")
    one.add_argument("--workers", type=int, default=WORKERS)
    one.add_argument("--hub-url", default=HUGGING_FACE)
    one.set_defaults(run=_stage)
    two = commands.add_parser("verify", help="check a model below a prefix")
    two.add_argument("--bucket", required=True)
    two.add_argument("--prefix", required=True)
    two.set_defaults(run=_verify)
    three = commands.add_parser("list", help="staged models of a bucket")
    three.add_argument("--bucket", required=True)
    three.set_defaults(run=_list)
    return parser


def _stage(arguments: argparse.Namespace, report: _Reporter) -> int:
    for name in _TOKEN_VARIABLES:
        if os.environ.get(name):
            raise UsageError(
                f"{name} is set: tokens come from Secrets Manager alone, since environments are logged and inherited; "
                "unset it and give --token-secret"
            )
    hub = Hub(
        url=arguments.hub_url,
        token=_token(arguments.token_secret),
        on_retry=lambda why: report("retry", {"message": why}),
    )
    order = Order(
        repo=arguments.repo,
        revision=arguments.revision,
        bucket=arguments.bucket,
        include=arguments.include,
        exclude=arguments.exclude,
        draft=arguments.draft,
        workers=arguments.workers,
    )
    stage(order, hub=hub, s3=boto3.client("s3", config=_CONFIG), report=report)
    return 0


def _token(secret: str | None) -> str | None:
    """Read the token: the secret's text, or `token` of its JSON."""
    if not secret:
        return None
    text = str(boto3.client("secretsmanager", config=_CONFIG).get_secret_value(SecretId=secret)["SecretString"]).strip()
    if text.startswith("{"):
        token = json.loads(text).get("token")
        if not token:
            raise WeightsError(f"secret {secret}: its JSON has no key 'token'")
        return str(token)
    if not text:
        raise WeightsError(f"secret {secret}: is empty; store a read token of the hub in it")
    return text


def _verify(arguments: argparse.Namespace, report: _Reporter) -> int:
    s3 = boto3.client("s3", config=_CONFIG)
    prefix = arguments.prefix if arguments.prefix.endswith("/") else f"{arguments.prefix}/"
    problems: list[str] = []
    try:
        recorded = manifest.read(s3, arguments.bucket, prefix)
    except WeightsError as error:
        report("error", {"message": str(error)})
        return 1
    if recorded is not None:
        problems = manifest.differences(recorded, dict(manifest.objects(s3, arguments.bucket, prefix)))
    draft = recorded is not None and bool(recorded.get("draft"))
    result = check_prefix(s3, arguments.bucket, prefix, draft=draft)
    problems += [problem for problem in result.problems if problem not in problems]
    for problem in problems:
        report("error", {"message": f"s3://{arguments.bucket}/{prefix}{problem}"})
    if not problems:
        details = {"files": result.files, "tensor_bytes": result.tensor_bytes, "manifest": recorded is not None}
        report("whole", {"prefix": prefix, **details})
    return 1 if problems else 0


def _list(arguments: argparse.Namespace, report: _Reporter) -> int:
    for content in manifest.staged(boto3.client("s3", config=_CONFIG), arguments.bucket):
        if isinstance(content, WeightsError):
            report("unread", {"message": str(content)})
            continue
        size = sum(file["bytes"] for file in content["files"])
        details = {key: content.get(key) for key in ("repo", "revision", "license", "staged_at")}
        report("model", {**details, "files": len(content["files"]), "bytes": size})
    return 0


if __name__ == "__main__":
    sys.exit(main())
