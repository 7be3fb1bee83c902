"""The README walked as a new user walks it: its first deployment, word for word, against the embedded AWS.

The commands are read from the Markdown. What the walk has in place of the user's machine and account is `INSTEAD`; nothing of a command is changed.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from localcloud.aws.server import LocalCloud
from tests.docs.blocks import ROOT, blocks_of
from tests.localcloud.helpers import ROOT as CHECKOUT
from tests.support.model_folders import WHOLE
from tests.support.terminal import Answer, Terminal

pytestmark = pytest.mark.timeout(1200)
SECTION: Final = "### First deployment"
GUIDE: Final = "docs/first-model.md"

INSTEAD: Final = {
    "packages": "the environment and the CDK CLI of this checkout, which `make setup` finds complete; it installs from a registry otherwise",
    "AWS": "the embedded AWS, by AWS_ENDPOINT_URL, with its own credentials and its account 123456789012",
    "the container": "a small program that speaks SageMaker's contract, for every image",
    "the model": "a folder of its name with a configuration, a tokenizer and two small shards",
    "CDK's rule packs": "switched off by CDK_VALIDATION, as they take most of a synth; `make check` runs them over every environment",
    "the AWS CLI": "a program of this test with `s3 sync` alone, since PyPI has no AWS CLI of version 2",
}
"""What the walk has in place of the user's."""

NOT_WALKED: Final = {
    "make local": "downloads the SGLang engine and a model; tests/e2e/engine deploys as it does",
    "make test": "runs this test",
    "pip install -r requirements.txt": "installs from a registry; tests/setup holds the files against each other",
    "pip install --require-hashes --no-deps -r requirements.lock": "installs from a registry; `make setup` installs the same file",
    "pip install --no-deps -e .": "builds in an environment of its own, which it installs from a registry",
    "npm ci": "installs from a registry; `make setup` runs it",
    "pip install .": "builds in an environment of its own, which it installs from a registry; tests/test_layout.py installs the wheel",
}
"""Commands of the page that cannot run offline, and what covers them."""

AWS_CLI: Final = """#!{python}
import pathlib, sys, boto3
service, verb, source, target = sys.argv[1:]
assert (service, verb) == ("s3", "sync") and target.endswith("/"), sys.argv
bucket, _, prefix = target.removeprefix("s3://").partition("/")
for file in sorted(pathlib.Path(source).iterdir()):
    boto3.client("s3").upload_file(str(file), bucket, prefix + file.name)
    print(f"upload: {{file}} to {{target}}{{file.name}}")
"""
_COPIED: Final = (
    "Makefile", "app.py", "cdk.json", "constructs", "stacks", "container", "agent", "environments", "tools", "pyproject.toml",
    "package.json", "package-lock.json", "requirements.lock",
)  # fmt: skip
"""What a checkout has, as far as the commands read it."""


def commands(document: str, *, section: str | None = None) -> list[str]:
    """The commands of a document's sessions, or of one section's, in their order."""
    text = (ROOT / document).read_text(encoding="utf-8")
    if section is not None:
        text = re.split(r"^#{1,3} ", text.partition(f"{section}\n")[2], flags=re.MULTILINE)[0]
    lines = (
        line for block in blocks_of(document, text) if block.language == "console" for line in block.text.splitlines()
    )
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def shown(command: str) -> list[str]:
    """The lines that the page shows after a command, without names that AWS invents."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition(f"$ {command}\n")[2].partition("```")[0]
    return [line for line in anywhere(text).splitlines() if not line.startswith("$ ")]


def anywhere(text: str) -> str:
    """A text in which every bucket has the same name."""
    return re.sub(r"s3://[a-z0-9-]+/", "s3://bucket/", text)


def bare(command: str) -> str:
    """A command without the comment after it."""
    return re.sub(r"\s+#.*", "", command)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of this checkout, set up."""
    folder = tmp_path / "cdk-sglang"
    (folder / ".venv").mkdir(parents=True)
    for name in _COPIED:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".venv*", "cdk.out"))
        else:
            shutil.copy(source, folder / name)
    for source in (CHECKOUT / ".venv").resolve().iterdir():
        if not source.name.startswith(".installed-"):
            (folder / ".venv" / source.name).symlink_to(source)
    locked = b"".join((folder / name).read_bytes() for name in ("requirements.lock", "package-lock.json"))
    (folder / ".venv" / f".installed-{hashlib.sha256(locked).hexdigest()[:16]}").touch()  # as the Makefile has it
    (folder / "node_modules").symlink_to((CHECKOUT / "node_modules").resolve())
    model = folder / "Llama-3.2-3B-Instruct"
    model.mkdir()
    for name, body in WHOLE.items():
        (model / name).write_bytes(body)
    return folder


@pytest.fixture
def terminal(checkout: Path, cloud: LocalCloud, tmp_path: Path) -> Terminal:
    """The new user's terminal: nothing on PATH but the system, Python and the stand-in for the AWS CLI."""
    programs, home = tmp_path / "programs", tmp_path / "home"
    programs.mkdir()
    home.mkdir()
    (programs / "aws").write_text(AWS_CLI.format(python=sys.executable))
    (programs / "aws").chmod(0o755)
    (programs / "python3").symlink_to(sys.executable)
    return Terminal(
        folder=checkout,
        environment={
            "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "TERM": "xterm",
            "CDK_VALIDATION": "false",
            "LANG": "C.UTF-8",
            "PYTHONPATH": f"{checkout / 'constructs'}:{checkout}",  # the project is installed by its folder, which is another
            "AWS_ENDPOINT_URL": cloud.url,
            "AWS_ENDPOINT_URL_S3": cloud.url,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            **cloud.credentials.environment,
        },
    )


def test_every_command_of_the_page_is_walked_or_says_why_not() -> None:
    walked = {bare(command) for command in commands("README.md", section=SECTION)}
    assert len(walked) >= 10
    everything = {bare(command) for command in commands("README.md")}
    assert everything - walked == set(NOT_WALKED)
    assert {bare(command) for command in commands(GUIDE)} <= walked | set(NOT_WALKED)


def test_the_proof_lists_what_is_not_walked() -> None:
    page = (ROOT / "docs/proof.md").read_text(encoding="utf-8")
    assert [command for command in NOT_WALKED if f"`{command}`" not in page] == []


def take_a_sample(client: Callable[[str], Any]) -> None:
    """Take the sample that is due within five minutes: the one of the first moment may be older than the first copy."""
    place = json.loads(client("ssm").get_parameter(Name="/cdk-sglang/dev/showback")["Parameter"]["Value"])
    answer = client("lambda").invoke(FunctionName=place["function"], Payload=json.dumps({"do": "sample"}))
    taken = json.loads(answer["Payload"].read())
    assert (answer.get("FunctionError"), taken["unread"]) == (None, []), taken


def test_the_first_deployment_runs_as_written(terminal: Terminal, client: Callable[[str], Any]) -> None:
    uploads: list[str] = []

    def upload(match: re.Match[str]) -> str:
        code, screen = terminal.run(match[1])
        assert code == 0, screen
        uploads.append(match[1])
        return ""

    agree: Answer = lambda _: "y\n"
    answers: Mapping[str, Answer] = {
        r"\(y/n\)": agree,  # the CDK CLI's, before permissions are created and before stacks are deleted
        r"(?s)upload with: (aws s3 sync .*?/)\s*\n(?=waiting)": upload,
    }
    screens: dict[str, str] = {}
    failed: list[str] = []
    for command in commands("README.md", section=SECTION):
        if bare(command).startswith("cdk-sglang costs"):
            take_a_sample(client)
        code, screens[bare(command)] = terminal.run(command, answers)
        failed += [] if code == 0 else [f"$ {command}\n{screens[bare(command)][-4000:]}"]
    assert failed == [], "\n\n".join(failed)
    assert len(uploads) == 1
    assert [line for line in shown("make deploy ENV=dev") if line not in anywhere(screens["make deploy ENV=dev"])] == []
    assert screens['cdk-sglang ask --env dev "What is a KV cache?"'].strip()
    assert "$/h now" in screens["cdk-sglang status --env dev"]
    assert "llama" in screens["cdk-sglang costs --env dev --today"]
    assert client("sagemaker").list_endpoints()["Endpoints"] == []
    left = [stack["StackName"] for stack in client("cloudformation").describe_stacks()["Stacks"]]
    assert left == ["CDKToolkit"]
