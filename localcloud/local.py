"""`make local` and `make local-down`: deploy `environments/local.yaml` to the embedded AWS with the real CDK CLI, and ask the model a question.

Every step checks the current state first, so the next run continues an interrupted one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cdk_sglang.client import InferenceClient, InferenceClientError, Wait
from cdk_sglang.client.answers import ChatAnswer
from localcloud.assembly import refresh
from localcloud.aws.credentials import REGION, Credentials
from localcloud.background import (
    CREDENTIALS_FILE,
    ROOT,
    STATE,
    LocalError,
    console,
    credentials,
    ensure,
    forget,
    healthy,
    running,
    step,
    stop,
)
from localcloud.engine.recipe import EngineMissingError, engine_environment, engine_python

_ASSEMBLY: Final = STATE / "cdk.out"
_ACCOUNT: Final = "123456789012"  # moto's
_FOUNDATION: Final = "cdk-sglang-local-foundation"
_ENDPOINT: Final = "local-chat"
_COMPONENT: Final = "local-chat-tiny"
_WEIGHTS_PREFIX: Final = "weights/tiny-llama/"
_QUESTION: Final = "hello world, how are you today?"
_TOKENS: Final = 24
_WAIT: Final = Wait(up_to_seconds=180)
_EXIT_FAILED, _EXIT_USAGE, _EXIT_INTERRUPTED = 1, 2, 130

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_ERROR: Final = re.compile(r"(‣ )?\w*Error: |❌ Deployment failed: ")
"""Beginning of the error with which a command of CDK CLI 2.1148.1 ends."""
_LAST_LINES: Final = 12


def main(arguments: list[str]) -> int:
    """Command line: up or down."""
    commands: dict[str, Callable[[int], None]] = {"up": up, "down": down}
    if len(arguments) != 1 or arguments[0] not in commands:
        print("usage: python -m localcloud.local up|down", file=sys.stderr)
        return _EXIT_USAGE
    port = os.environ.get("PORT") or "4566"
    if not port.isdigit():
        print(f"PORT: {port!r} is not a port; use a number, for example 4566", file=sys.stderr)
        return _EXIT_USAGE
    try:
        commands[arguments[0]](int(port))
    except (LocalError, EngineMissingError) as error:
        print(error, file=sys.stderr)
        return _EXIT_FAILED
    except KeyboardInterrupt:
        print("\ninterrupted; `make local` continues from here, `make local-down` removes everything", file=sys.stderr)
        return _EXIT_INTERRUPTED
    return 0


def up(port: int) -> None:
    """Deploy the local environment, ask the model a question, and print commands to try next."""
    start = time.monotonic()
    python = engine_python()
    url = ensure(port, python)
    server_credentials = credentials()
    environment = aws_environment(url, server_credentials)
    session = _session(server_credentials)
    cloudformation = session.client("cloudformation", endpoint_url=url)
    # Model, bootstrap stack and templates do not depend on each other, so all three are created in parallel.
    with ThreadPoolExecutor() as pool:
        model = pool.submit(_model, python)
        step("synthesising environments/local.yaml")
        templates = pool.submit(_synth, environment)
        if "CDKToolkit" not in _stacks(cloudformation):
            step("cdk bootstrap")
            _bootstrap(environment)
        templates.result()
        step("cdk deploy Foundation")
        _deploy("Foundation", environment=environment)
        step("a tiny random model with a fixed seed, uploaded as weights")
        bucket = outputs(cloudformation, _FOUNDATION)["WeightsBucket"]
        _upload(model.result(), session.client("s3", endpoint_url=url), bucket)
    step("cdk deploy the endpoint, alarms and dashboards; its copy is a real SGLang process that has to start")
    _deploy("Enrichment", "Serving-chat", "Alarms-chat", "Dashboards", environment=environment)
    with ThreadPoolExecutor() as pool:
        logs = pool.submit(_deploy, "Observability", environment=environment)  # reads log groups of the endpoint
        step(f"asking {_COMPONENT} through boto3 sagemaker-runtime")
        answer = _ask(session, url)
        logs.result()
    _print_result(answer, server_credentials, url=url, seconds=time.monotonic() - start)


def down(port: int) -> None:
    """Destroy the deployment and stop the embedded AWS."""
    server = running()
    if server is None:
        forget()
        console.print("nothing is running")
        return
    url, pid = server["url"], int(server["pid"])
    if healthy(url) and (_ASSEMBLY / "manifest.json").exists():
        step("cdk destroy")
        with suppress(LocalError):  # stopping the server removes everything in it anyway
            server_credentials = credentials()
            environment = aws_environment(url, server_credentials)
            _empty_buckets(url, server_credentials)
            _cdk("destroy", "--all", "--force", "--app", str(_ASSEMBLY), environment=environment)
    step("stopping the embedded AWS and the model")
    stop(pid)
    forget()
    console.print(f"stopped; port {url.rsplit(':', 1)[1]} is free again, logs stay in {STATE.relative_to(ROOT)}/")
    del port


# --- deploying ----------------------------------------------------------------------------------------------------


def aws_environment(url: str, server_credentials: Credentials) -> dict[str, str]:
    """Environment in which every AWS client uses the embedded AWS alone."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return variables | {
        "AWS_ENDPOINT_URL": url,
        "AWS_ENDPOINT_URL_S3": url,
        **server_credentials.environment,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
    }


def _cdk(*arguments: str, environment: Mapping[str, str], folder: Path = ROOT) -> None:
    log = STATE / f"cdk-{arguments[0]}.log"
    before = log.stat().st_size if log.exists() else 0
    with log.open("a", encoding="utf-8") as output:
        command = ["cdk", *arguments, "--no-notices"]
        process = subprocess.run(command, cwd=folder, env=dict(environment), stdout=output, stderr=output, check=False)
    if process.returncode:
        text = log.read_bytes()[before:].decode(errors="replace")
        raise LocalError(f"cdk {arguments[0]} failed:\n{reason_of(text)}\nthe whole log: {log.relative_to(ROOT)}")


def reason_of(text: str) -> str:
    """Return the reason from the CLI's output: the error up to its first empty line, else the last lines.

    After the error the CLI prints logs of functions and a stack trace of its own, which would push the reason off the screen.
    """
    lines = _COLOUR.sub("", text).strip().splitlines()
    starts = [number for number, line in enumerate(lines) if _ERROR.match(line)]
    if not starts:
        return "\n".join(lines[-_LAST_LINES:])
    message = lines[starts[-1] :]
    gap = next((number for number, line in enumerate(message) if number and not line.strip()), len(message))
    return "\n".join(message[: max(gap, 2)])


def _synth(environment: Mapping[str, str]) -> None:
    options = ("--quiet", "--no-lookups", "-c", "env=local", "--output", str(_ASSEMBLY))
    refresh(_ASSEMBLY, root=ROOT, synth=lambda: _cdk("synth", *options, environment=environment))


def _bootstrap(environment: Mapping[str, str]) -> None:
    # Where there is no cdk.json: from its folder the CLI would synthesise the app first, which a bootstrap has no use for.
    _cdk("bootstrap", f"aws://{_ACCOUNT}/{REGION}", environment=environment, folder=STATE)


def _deploy(*stacks: str, environment: Mapping[str, str]) -> None:
    options = ("--exclusively", "--require-approval", "never", "--app", str(_ASSEMBLY))
    _cdk("deploy", *stacks, "--concurrency", str(len(stacks)), *options, environment=environment)


def _stacks(cloudformation: Any) -> set[str]:
    pages = cloudformation.get_paginator("describe_stacks").paginate()
    return {stack["StackName"] for page in pages for stack in page["Stacks"]}


def outputs(cloudformation: Any, stack: str) -> dict[str, str]:
    """The outputs of a stack, by key."""
    outputs = cloudformation.describe_stacks(StackName=stack)["Stacks"][0].get("Outputs", [])
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


def _model(python: Path) -> Path:
    folder = STATE / "models"
    base = folder / "base"
    if not (base / "model.safetensors").exists():
        command = [str(python), "-m", "localcloud.engine.tiny_model", str(folder)]
        environment = engine_environment() | {"PYTHONPATH": str(ROOT)}
        process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if process.returncode:
            raise LocalError(f"the tiny model could not be created:\n{process.stderr.strip()}")
    return base


def _upload(folder: Path, s3: Any, bucket: str) -> None:
    for file in sorted(folder.iterdir()):
        s3.upload_file(str(file), bucket, f"{_WEIGHTS_PREFIX}{file.name}")


def _session(server_credentials: Credentials) -> boto3.session.Session:
    return boto3.session.Session(
        aws_access_key_id=server_credentials.access_key_id,
        aws_secret_access_key=server_credentials.secret_access_key,
        region_name=REGION,
    )


def _empty_buckets(url: str, server_credentials: Credentials) -> None:
    s3 = _session(server_credentials).resource("s3", endpoint_url=url)
    for bucket in s3.buckets.all():
        if bucket.name.startswith("cdk-sglang-local"):
            bucket.object_versions.all().delete()


# --- asking -------------------------------------------------------------------------------------------------------


def _ask(session: boto3.session.Session, url: str) -> dict[str, Any]:
    """Ask the first question; an empty answer is a failure."""
    try:
        with InferenceClient(_ENDPOINT, _COMPONENT, session=session, endpoint_url=url, wait=_WAIT) as client:
            answer = client.chat([{"role": "user", "content": _QUESTION}], max_tokens=_TOKENS, temperature=0)
    except (InferenceClientError, ClientError, BotoCoreError) as error:
        raise LocalError(f"no answer from {_COMPONENT}: {error}") from None
    reply = ChatAnswer()
    reply.add(answer)
    ask = f"cdk-sglang ask --endpoint {_ENDPOINT} --component {_COMPONENT}"
    problem = reply.problem(tokens=_TOKENS, more=f"ask for more with `{ask} --max-tokens 512 'hello'`")
    if problem is not None:
        raise LocalError(f"{_COMPONENT} is deployed and replied: {problem}")
    return answer


def _engine_line() -> str:
    """The engine's own log line about the request that was just answered."""
    logs = sorted((STATE / "state" / "logs").rglob("*.log"), key=lambda path: path.stat().st_mtime)
    lines = [line for path in logs for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    matches = [line for line in lines if "POST /invocations" in line or "Prefill batch" in line]
    return matches[-1].strip() if matches else "no line of the engine found"


def _print_result(answer: dict[str, Any], server_credentials: Credentials, *, url: str, seconds: float) -> None:
    text = answer["choices"][0]["message"]["content"]
    console.print()
    console.print(f"question  {_QUESTION}")
    console.print(f"answer    {text!r}", markup=False)
    console.print(f"usage     {json.dumps(answer['usage'])}", markup=False)
    console.print(f"engine    {_engine_line()}", markup=False)
    console.print(
        "          (the model is tiny and random: the words mean nothing, the path they took is the real one)"
    )
    console.print(f"took      {seconds:.0f} s")
    console.print()
    console.print("look at it")
    console.print(f"  {server_credentials.console_address(url)}", markup=False, soft_wrap=True)
    console.print()
    console.print("try next")
    for line in server_credentials.exports(url):
        console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print(f"  source {CREDENTIALS_FILE.relative_to(ROOT)}             # the same, in another terminal")
    console.print(f"  .venv/bin/cdk-sglang ask 'who are you?' --endpoint {_ENDPOINT} --component {_COMPONENT}")
    console.print("  aws sagemaker list-inference-components        # or any SDK: it is the AWS API")
    console.print("  edit environments/local.yaml, then make local  # an update, as in AWS")
    console.print(f"  tail -f {(STATE / 'state' / 'logs').relative_to(ROOT)}/*     # the logs of SGLang")
    console.print("  make local-down                                # destroy and stop it")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
