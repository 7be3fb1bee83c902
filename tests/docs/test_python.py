"""The Python that documents show is Python that works."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template

from tests.docs.blocks import ROOT, Block, blocks

ALONE = {"localcloud/README.md"}
"""Documents whose blocks change the process they run in."""


def _documents() -> dict[str, list[Block]]:
    found: dict[str, list[Block]] = {}
    for block in blocks("python"):
        if not block.not_run:
            found.setdefault(block.document, []).append(block)
    return found


def _run(document: str, names: dict[str, Any]) -> None:
    """Run the blocks of a document one after another, as a reader who follows it does, and compare what they print.

    Args:
        document: The document.
        names: What the document takes for granted.
    """
    for block in _documents()[document]:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block.text, str(block), "exec"), names)
        if block.output is not None:
            assert " ".join(printed.getvalue().split()) == " ".join(block.output.split())


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A stack, and beside it what a reader of a fragment has: a topic, a function, a bucket, and a model of their own."""
    config = {
        "model_type": "llama", "num_hidden_layers": 16, "hidden_size": 2048, "num_attention_heads": 32, "num_key_value_heads": 8,
        "intermediate_size": 8192, "vocab_size": 128256, "max_position_embeddings": 131072,
    }  # fmt: skip
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "me--llama.json").write_text(json.dumps({"id": "me/llama", "config": config}))
    monkeypatch.chdir(tmp_path)
    stack = cdk.Stack(cdk.App(), "Fleet", env=cdk.Environment(account="111122223333", region="us-east-1"))
    function = lambda_.Function(
        stack, "F", runtime=lambda_.Runtime.PYTHON_3_13, handler="i.h", code=lambda_.Code.from_inline("pass")
    )
    return {
        "self": stack,
        "my_topic": sns.Topic(stack, "Topic"),
        "my_function": function,
        "bucket": s3.Bucket(stack, "Bucket"),
    }


def test_the_readmes_example_makes_an_endpoint(names: dict[str, Any]) -> None:
    _run("README.md", names)
    Template.from_stack(names["self"]).resource_count_is("AWS::SageMaker::InferenceComponent", 1)


def test_the_librarys_guide_makes_its_endpoints(names: dict[str, Any]) -> None:
    _run("docs/library.md", names)
    # The first block has synthesised; what came after it is looked at in an app that synthesises again.
    template = Template.from_json(names["app"].synth(force=True).get_stack_by_name("Assistants").template)
    template.resource_count_is("AWS::SageMaker::InferenceComponent", 5)  # one of them an adapter
    template.resource_count_is("AWS::SageMaker::Endpoint", 5)
    template.resource_count_is("AWS::CloudWatch::Dashboard", 1)


TRIED = {"README.md", "docs/library.md"}


@pytest.mark.parametrize("document", sorted(set(_documents()) - TRIED - ALONE))
def test_the_examples_of_a_document_run(document: str, names: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    application = ROOT / Path(document).parent / "app.py"
    if application.is_file() and document.startswith(
        "examples/"
    ):  # the README of an example goes on where its app ends
        monkeypatch.setenv("CDK_OUTDIR", str(Path.cwd() / "cdk.out"))
        exec(compile(application.read_text(encoding="utf-8"), str(application), "exec"), names)
    _run(document, names)


@pytest.mark.parametrize("document", sorted(ALONE))
def test_the_examples_of_a_document_run_alone(document: str) -> None:
    program = "\n".join(block.text for block in _documents()[document])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_a_block_prints_is_compared(names: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Block(document="a.md", line=1, language="python", text="print(1)", title="", output="2", not_run="")
    monkeypatch.setattr("tests.docs.test_python._documents", lambda: {"a.md": [wrong]})
    with pytest.raises(AssertionError):
        _run("a.md", names)
