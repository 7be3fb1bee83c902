"""The composition root, run as the CDK CLI runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_an_environment_becomes_templates_and_a_table(
    run_app: Callable[..., Any], fine: dict[str, Any], tmp_path: Path
) -> None:
    run = run_app(fine, context={"report": True})
    assert (run.code, run.err) == (0, "")
    assert "test-chat" in run.out
    assert "Serving-chat.template.json" in run.out
    assert "\x1b" not in run.out  # nobody reads colours in a log
    template = json.loads((tmp_path / "cdk.out" / "Serving-chat.template.json").read_text())
    assert "AWS::SageMaker::InferenceComponent" in {r["Type"] for r in template["Resources"].values()}
