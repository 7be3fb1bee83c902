"""`make local AGENT=1`: the agent next to the fleet of `make local`, on this machine.

The environment is `environments/local.yaml` with an agent added, written to `.local/agent` at every run: edit the original. The deployed code is
the agent's own; its packages come from `.venv-agent` instead of the zip, because AgentCore requires arm64 packages in the zip.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from cdk_sglang.agents.patients import synthetic_patients
from localcloud.aws.credentials import Credentials
from localcloud.background import ROOT, STATE, LocalError, console, step
from localcloud.model import Kind
from localcloud.scripted import ScriptedModel, standing_in
from localcloud.served import read_environment, served

FOLDER: Final = STATE / "agent"
ASSEMBLY: Final = FOLDER / "cdk.out"
STACK: Final = "Agent"
_DEPLOYED: Final = FOLDER / "deployed"
_CODE: Final = "code"
_ENVIRONMENTS: Final = "environments"
_CONTEXT: Final = 8192
"""Tokens for a system prompt, a question and an answer: the random model's tokens are characters."""
_ANSWER_TOKENS: Final = 96
"""Maximum tokens of one answer: at the agent's own limit of 2048 the small model, which often repeats itself up to the limit, takes minutes on a CPU."""
_OF_THE_MODEL: Final = ("(answer_cut)", "(model_answer)", "(tool_limit)", "(token_budget)")
"""Endings of the lines in which the CLI reports a mistake of the model: a small model may make one, and the path works all the same."""
_NO_PACKAGES: Final = "# --hash=sha256: of nothing: on this machine the packages are those of .venv-agent\n"
_LEFT_OUT: Final = shutil.ignore_patterns("__pycache__", ".*", "evals", "*_example", "requirements*")
_ENDS: Final = "0123456789!#$%&()*+,-/:;<=>?@[]^_`{|}~"
"""Characters that end the random model's answer to the agent; it never ends one by itself, and the agent would report the answer as cut off."""
_PLAIN: Final = "In one short sentence: what can you do for me?"
"""A question that the small model answers in one sentence; without the first words it does not stop."""
_INTAKE: Final = "Please look up {name} and save an intake report: headache for three days, no fever."
_ASK_SECONDS: Final = 300


def enabled() -> bool:
    """Whether this run includes the agent.

    Raises:
        LocalError: AGENT has another value than 0 or 1.
    """
    value = os.environ.get("AGENT") or "0"
    if value not in {"0", "1"}:
        raise LocalError(f"AGENT: {value!r} is not allowed; use AGENT=1 for the agent")
    return value == "1"


def deployed() -> bool:
    """Whether an earlier run has deployed the agent."""
    return _DEPLOYED.exists()


def prepare(*, root: Path = ROOT, folder: Path = FOLDER) -> Path:
    """Write the environment with the agent, and the agent's code without packages; return the folder of the environment.

    Args:
        root: The repository.
        folder: Folder that nothing else writes to.

    Raises:
        LocalError: `.venv-agent` is missing, or the environment has no component that could answer the agent.
    """
    if not (root / ".venv-agent" / "bin" / "python").is_file():
        raise LocalError("the agents' packages are missing; install them with `make agent-tools`")
    file = root / "environments" / "local.yaml"
    target = served(file)
    settings = read_environment(file)
    agent: dict[str, Any] = {
        "component": f"{target.endpoint}/{target.component}",
        "answer_tokens": _ANSWER_TOKENS,
    } | (settings.get("agent") or {})
    code(Path(agent.get("code") or root / "agent"), folder / _CODE)
    settings["agent"] = agent | {"enabled": True, "code": str(folder / _CODE)}
    component = settings["endpoints"][target.endpoint]["components"][target.component]
    server = component["server"] = component.get("server") or {}
    server.setdefault("tool_call_parser", "llama3")
    server["context_length"] = max(int(server.get("context_length", 0)), _CONTEXT)
    environments = folder / _ENVIRONMENTS
    environments.mkdir(parents=True, exist_ok=True)
    text = f"# written by make local AGENT=1 from environments/local.yaml; edit that file\n{yaml.safe_dump(settings)}"
    (environments / "local.yaml").write_text(text, encoding="utf-8")
    return environments


def code(source: Path, target: Path) -> Path:
    """Copy an agent's folder, with a lock that names no packages, so that a deployment downloads none."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=_LEFT_OUT)
    (target / "requirements.lock").write_text(_NO_PACKAGES, encoding="utf-8")
    return target


def ending_model(base: Path) -> tuple[str, bytes]:
    """Name and content of the random model's configuration with further tokens that end an answer."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    vocabulary = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    config["eos_token_id"] = [config["eos_token_id"], *(vocabulary[character] for character in _ENDS)]
    return "config.json", json.dumps(config).encode()


def show(
    environment: Mapping[str, str],
    credentials: Credentials,
    *,
    url: str,
    component: str,
    kind: Kind,
    reports: Callable[[], set[str]],
) -> None:
    """Seed patients, ask the agent two questions, and print the location of the report that the second one saved.

    Args:
        environment: Environment of the commands.
        credentials: Credentials of the embedded AWS.
        url: Its address.
        component: SageMaker's name of the component that answers the agent.
        kind: The model that the component serves.
        reports: Returns the addresses of the reports in the embedded S3.

    Raises:
        LocalError: A command failed.
    """
    _DEPLOYED.touch()
    step("writing invented patients into the agent's table")
    _cli("agent", "seed", "--env", "local", environment=environment)
    name = _patient()
    step(f"asking the agent; {component} answers: {_what_answers(kind)}")
    _print("agent", "invoke", _PLAIN, "--env", "local", environment=environment)
    step("asking the agent again; a script answers in the model's place, since this model calls no tools")
    before = reports()
    with ScriptedModel() as model, standing_in(url, credentials.secret_access_key, component, model):
        _print("agent", "invoke", _INTAKE.format(name=name), "--env", "local", environment=environment)
    new_reports = sorted(reports() - before)
    for line in [f"the report in the embedded S3: {report}" for report in new_reports] or ["no report was saved"]:
        console.print(line, markup=False, soft_wrap=True)


def print_hints() -> None:
    """Print what to try next with the agent."""
    name = _patient()
    for line in (
        "",
        "try next with the agent (source .local/state/credentials.sh first)",
        "  .venv/bin/cdk-sglang agent chat --env local       # the real engine answers",
        "  .venv/bin/python -m localcloud.scripted           # in another terminal: a script answers in its place until Ctrl-C",
        f"  .venv/bin/cdk-sglang agent invoke --env local 'Please look up {name}'",
        "  aws s3 ls --recursive s3://<ReportsBucket>        # reports; aws cloudformation describe-stacks names the bucket",
        "  tail -f .local/state/logs/local_agent-*/*         # the agent's log: it contains no conversation text",
        "  edit agent/, then make local AGENT=1              # an update: new sessions run it",
    ):
        console.print(line, markup=False, soft_wrap=True)


def forget() -> None:
    """Forget that the agent was deployed."""
    _DEPLOYED.unlink(missing_ok=True)


def _what_answers(kind: Kind) -> str:
    if kind.knows_language:
        return (
            f"the real engine with {kind.title}, too small for an agent, so do not trust its answers; the agent offers its "
            "tools, but the model's chat template leaves them out"
        )
    return f"the real engine with {kind.title}, which knows no language and calls no tools"


def _patient() -> str:
    """Name of a patient that no other patient has."""
    names = [str(patient["name"]) for patient in synthetic_patients(40)]
    return next(name for name in names if names.count(name) == 1)


def _print(*words: str, environment: Mapping[str, str]) -> None:
    console.print()
    console.print(
        f"$ cdk-sglang {' '.join(repr(word) if ' ' in word else word for word in words)}", markup=False, soft_wrap=True
    )
    console.print(_cli(*words, environment=environment).rstrip(), markup=False, soft_wrap=True)
    console.print()


def _cli(*words: str, environment: Mapping[str, str]) -> str:
    """Run a command of the CLI; return its output, stderr included. A turn in which the model made a mistake is shown up to that point."""
    command = [str(ROOT / ".venv/bin/cdk-sglang"), *words]
    process = subprocess.run(
        command,
        cwd=ROOT,
        env={**environment, "COLUMNS": "118"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_ASK_SECONDS,
        check=False,
    )
    if process.returncode and not any(code in process.stdout for code in _OF_THE_MODEL):
        raise LocalError(f"cdk-sglang {' '.join(words)} failed:\n{process.stdout.strip()}")
    return process.stdout
