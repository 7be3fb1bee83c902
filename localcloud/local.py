"""`make local` and `make local-down`: deploy `environments/local.yaml` to the embedded AWS with the real CDK CLI, and ask the model a question.

Every step checks the current state first, so the next run continues an interrupted one.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import boto3

from localcloud import agent, model
from localcloud.assembly import refresh
from localcloud.aws.credentials import REGION, Credentials
from localcloud.background import (
    ROOT,
    STATE,
    LocalError,
    console,
    credentials,
    ensure,
    forget,
    healthy,
    last_lines_of_engine,
    running,
    step,
    stop,
)
from localcloud.engine.recipe import EngineMissingError, engine_python
from localcloud.question import ask, print_result
from localcloud.quotas import grant
from localcloud.served import served, stacks

_ASSEMBLY: Final = STATE / "cdk.out"
_ACCOUNT: Final = "123456789012"  # moto's
_FOUNDATION: Final = "cdk-sglang-local-foundation"
_AGENT: Final = "cdk-sglang-local-agent"
_OTHER_STACKS: Final = ("Foundation", "Observability", agent.STACK)
"""Stacks that are deployed before or after the endpoint's stack."""
_EXIT_FAILED, _EXIT_USAGE, _EXIT_INTERRUPTED = 1, 2, 130

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_ERROR: Final = re.compile(r"(‣ )?\w*Error: |❌ Deployment failed: ")
"""Start of the error message with which a command of CDK CLI 2.1148.1 ends."""
_LAST_LINES: Final = 12
_LAST_PORT: Final = 65535
_NEEDS_GB: Final = 6
"""Engine (3 GB), the model's conversion and the two copies of it that the embedded AWS holds (0.5 GB each), CDK's packages and outputs."""


def main(arguments: list[str]) -> int:
    """Command line: up or down."""
    commands: dict[str, Callable[[int | None], None]] = {"up": up, "down": down}
    if len(arguments) != 1 or arguments[0] not in commands:
        print("usage: python -m localcloud.local up|down", file=sys.stderr)
        return _EXIT_USAGE
    port = os.environ.get("PORT") or ""
    if port and not (port.isdecimal() and 0 < int(port) <= _LAST_PORT):
        print(f"PORT: {port!r} is not a port; use a number from 1 to {_LAST_PORT}, for example 4566", file=sys.stderr)
        return _EXIT_USAGE
    try:
        commands[arguments[0]](int(port) if port else None)
    except (LocalError, EngineMissingError) as error:
        print(error, file=sys.stderr)
        return _EXIT_FAILED
    except OSError as error:
        print(_about_files(error), file=sys.stderr)
        return _EXIT_FAILED
    except KeyboardInterrupt:
        print("\ninterrupted; `make local` continues from here, `make local-down` removes everything", file=sys.stderr)
        return _EXIT_INTERRUPTED
    return 0


def _about_files(error: OSError) -> str:
    """Return one line about a file that cannot be written or read, with the next step."""
    place = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{place}{error.strerror}; `make local` needs about {_NEEDS_GB} GB: make room, then run it again"
    return f"{place}{error.strerror or error}; fix that, then run the command again"


def up(port: int | None) -> None:
    """Deploy the local environment, ask the model a question, and print commands to try next.

    Args:
        port: Port of the embedded AWS. Default: the port of an earlier run, else 4566.
    """
    start = time.monotonic()
    with_agent = agent.enabled()
    environments = agent.prepare() if with_agent else None
    python = engine_python()
    url = ensure(port, python)
    server_credentials = credentials()
    environment = aws_environment(url, server_credentials)
    session = _session(server_credentials)
    cloudformation = session.client("cloudformation", endpoint_url=url)
    # Model, bootstrap stack and templates do not depend on each other, so all three are created in parallel.
    with ThreadPoolExecutor() as pool:
        prepared = pool.submit(model.prepare, python)
        step(f"synthesising environments/local.yaml{' with the agent' if with_agent else ''}")
        templates = pool.submit(_synth, environment, environments)
        if "CDKToolkit" not in _stacks(cloudformation):
            step("cdk bootstrap")
            _bootstrap(environment)
        templates.result()
        grant(session, url, agent.ASSEMBLY if with_agent else _ASSEMBLY)
        # after the synth, which reports any error in the file
        target = served() if environments is None else served(environments / "local.yaml")
        step("cdk deploy Foundation")
        _deploy("Foundation", environment=environment)
        bucket = outputs(cloudformation, _FOUNDATION)["WeightsBucket"]
        weights = prepared.result()
        step(f"weights: {weights.kind.title}")
        s3 = session.client("s3", endpoint_url=url)
        instead = agent.ending_model if with_agent else None
        kinds = [model.upload(weights, s3, bucket, prefix, instead=instead) for prefix in target.prefixes]
    step("cdk deploy the endpoint, alarms and dashboards; its copy is a real SGLang process that has to start")
    folder = agent.ASSEMBLY if with_agent else _ASSEMBLY
    begun = time.time()
    try:
        _deploy(*stacks(folder, without=_OTHER_STACKS), environment=environment)
    except LocalError as error:
        lines = last_lines_of_engine(since=begun)
        raise LocalError("\n".join([str(error), *(["the engine's last lines:"] if lines else []), *lines])) from None
    with ThreadPoolExecutor() as pool:
        logs = pool.submit(_deploy, "Observability", environment=environment)  # reads the endpoint's log groups
        step(f"asking {target.component_name} through boto3 sagemaker-runtime")
        answer = ask(session, url, target, kinds[0])
        logs.result()
    if with_agent:
        step("cdk deploy the agent")
        _deploy(agent.STACK, environment=environment)
        agent.show(
            environment,
            server_credentials,
            url=url,
            component=target.component_name,
            kind=kinds[0],
            reports=lambda: _reports(session, url),
        )
    print_result(answer, server_credentials, target, kinds[0], url=url, seconds=time.monotonic() - start)
    if with_agent:
        agent.print_hints()


def down(port: int | None) -> None:
    """Destroy the deployment and stop the embedded AWS."""
    server = running()
    if server is None:
        forget()
        console.print("nothing is running")
        return
    url, pid, refused = server["url"], int(server["pid"]), ""
    if healthy(url) and (_assembly() / "manifest.json").exists():
        step("cdk destroy")
        try:
            environment = aws_environment(url, credentials())
            _cdk("destroy", "--all", "--force", "--app", str(_assembly()), environment=environment)
        except LocalError as error:
            refused = str(error)
    step("stopping the embedded AWS and the model")
    stop(pid)
    forget()
    agent.forget()
    console.print(f"stopped; port {url.rsplit(':', 1)[1]} is free again, logs stay in {STATE.relative_to(ROOT)}/")
    if refused:
        raise LocalError(
            f"{refused}\nit was removed with the embedded AWS; on AWS it would have stayed, so check the reason first"
        )
    del port


# --- deploying ----------------------------------------------------------------------------------------------------


def aws_environment(url: str, server_credentials: Credentials) -> dict[str, str]:
    """Environment in which every AWS client uses only the embedded AWS."""
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
        raise LocalError(f"cdk {arguments[0]} failed:\n{reason_of(text)}\nfull log: {log.relative_to(ROOT)}")


def reason_of(text: str) -> str:
    """Return the reason from the CLI's output: the error up to its first empty line, else the last lines.

    After the error the CLI prints function logs and its own stack trace, which would push the reason off the screen.
    """
    lines = _COLOUR.sub("", text).strip().splitlines()
    starts = [number for number, line in enumerate(lines) if _ERROR.match(line)]
    if not starts:
        return "\n".join(lines[-_LAST_LINES:])
    message = lines[starts[-1] :]
    gap = next((number for number, line in enumerate(message) if number and not line.strip()), len(message))
    return "\n".join(message[: max(gap, 2)])


def _assembly() -> Path:
    """Folder of the templates: the one with the agent once it is deployed, so that `make local-down` destroys it too."""
    return agent.ASSEMBLY if agent.deployed() or agent.enabled() else _ASSEMBLY


def _synth(environment: Mapping[str, str], environments: Path | None = None) -> None:
    folder = _ASSEMBLY if environments is None else agent.ASSEMBLY
    options = ["--quiet", "--no-lookups", "-c", "env=local", "--output", str(folder)]
    options += [] if environments is None else ["-c", f"environments={environments}"]
    more = () if environments is None else (environments, environments.parent / "code")
    refresh(folder, root=ROOT, synth=lambda: _cdk("synth", *options, environment=environment), more=more)


def _bootstrap(environment: Mapping[str, str]) -> None:
    # In a folder without cdk.json: otherwise the CLI would synthesise the app first, which a bootstrap does not need.
    _cdk("bootstrap", f"aws://{_ACCOUNT}/{REGION}", environment=environment, folder=STATE)


def _deploy(*stacks: str, environment: Mapping[str, str]) -> None:
    folder = agent.ASSEMBLY if agent.enabled() else _ASSEMBLY
    options = ("--exclusively", "--require-approval", "never", "--app", str(folder))
    _cdk("deploy", *stacks, "--concurrency", str(len(stacks)), *options, environment=environment)


def _stacks(cloudformation: Any) -> set[str]:
    pages = cloudformation.get_paginator("describe_stacks").paginate()
    return {stack["StackName"] for page in pages for stack in page["Stacks"]}


def outputs(cloudformation: Any, stack: str) -> dict[str, str]:
    """The outputs of a stack, by key."""
    outputs = cloudformation.describe_stacks(StackName=stack)["Stacks"][0].get("Outputs", [])
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


def _reports(session: boto3.session.Session, url: str) -> set[str]:
    """Addresses of the agent's reports; empty if the agent has no reference tools."""
    bucket = outputs(session.client("cloudformation", endpoint_url=url), _AGENT).get("ReportsBucket")
    if bucket is None:
        return set()
    pages = session.client("s3", endpoint_url=url).get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {f"s3://{bucket}/{entry['Key']}" for page in pages for entry in page.get("Contents", ())}


def _session(server_credentials: Credentials) -> boto3.session.Session:
    return boto3.session.Session(
        aws_access_key_id=server_credentials.access_key_id,
        aws_secret_access_key=server_credentials.secret_access_key,
        region_name=REGION,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
