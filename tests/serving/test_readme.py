"""The README's Python is Python that works."""

from __future__ import annotations

import re
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template


def test_the_example_for_authors_of_other_apps_makes_an_endpoint(stack: cdk.Stack, root: Path) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    function = lambda_.Function(
        stack, "F", runtime=lambda_.Runtime.PYTHON_3_13, handler="i.h", code=lambda_.Code.from_inline("pass")
    )
    exec(example, {"self": stack, "my_topic": sns.Topic(stack, "Topic"), "my_function": function})
    Template.from_stack(stack).resource_count_is("AWS::SageMaker::InferenceComponent", 1)
