"""What an endpoint adds to a stack: resources, Lambda functions and characters of its template, in addition to what SageMaker itself requires.

`python benchmarks/stack_size.py`; exit code 1 when thirty endpoints are more than CloudFormation takes in one stack. The baseline is the
same endpoints without what the library's own functions do: verification, check of weights, scaling.

Resources on 2026-12-01, with functions in brackets; in the last columns, before functions answered CloudFormation themselves (docs/adr/0045):

| kind | one endpoint | thirty in a stack | one, before | thirty, before |
|---|---|---|---|---|
| bare | 8 (0) | 240 (0) | 8 (0) | 240 (0) |
| default | 17 (2) | 282 (2) | 28 (6) | 293 (6) |
| scaling from 1 | 23 (3) | 376 (3) | 37 (8) | 390 (8) |
| scaling from 0 | 25 (3) | 436 (3) | 39 (8) | 450 (8) |
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aws_cdk as cdk

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "constructs"))

from cdk_sglang import (
    Capacity,
    ComponentScaling,
    InferenceEndpoint,
    ModelSource,
    NoVerification,
    ServingImage,
    SglangOptions,
    Verification,
)

MANY: Final = 30
RESOURCES_MAX: Final = 500
"""Of a stack (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html, read 2026-12-01)."""
BYTES_MAX: Final = 1_000_000
"""Of a template that is in S3 (same page)."""
KINDS: Final = {
    "bare": (False, None),
    "default": (True, None),
    "scaling from 1": (True, ComponentScaling(min_copies=1, max_copies=2, concurrency=4)),
    "scaling from 0": (True, ComponentScaling(min_copies=0, max_copies=2, concurrency=4)),
}
"""Whether the library's functions manage the endpoint, and its scaling."""


@dataclass(frozen=True)
class Size:
    """What a stack has."""

    resources: int
    functions: int
    size: int


def size_of(endpoints: int, kind: str) -> Size:
    """Synthesise a stack of endpoints with one component each."""
    looked_after, scaling = KINDS[kind]
    app = cdk.App()
    stack = cdk.Stack(app, "Size", env=cdk.Environment(account="111122223333", region="us-east-1"))
    for number in range(endpoints):
        InferenceEndpoint(
            stack,
            f"E{number}",
            capacity=Capacity.on_demand("ml.g6e.2xlarge", max_instances=2),
            image=ServingImage.from_dlc(),
            verification=Verification() if looked_after else NoVerification(reason="a baseline"),
        ).add_component(
            "llama",
            model=ModelSource.from_s3(f"s3://models/m{number}/", check=looked_after),
            server=SglangOptions(context_length=16384),
            scaling=scaling,
        )
    template: dict[str, Any] = app.synth().get_stack_by_name("Size").template
    kinds = Counter(resource["Type"] for resource in template["Resources"].values())
    return Size(kinds.total(), kinds["AWS::Lambda::Function"], len(json.dumps(template)))


def main() -> int:
    """Print the table; return the exit code."""
    print(f"{'':16}{'one endpoint':>26}{f'{MANY} in a stack':>40}")
    print(f"{'':16}{'resources':>14}{'functions':>12}{'resources':>14}{'functions':>12}{'kB':>8}{'each':>8}")
    too_large = False
    for kind in KINDS:
        one, many = size_of(1, kind), size_of(MANY, kind)
        each = (many.resources - one.resources) / (MANY - 1)
        print(
            f"{kind:16}{one.resources:14}{one.functions:12}{many.resources:14}{many.functions:12}{many.size // 1000:8}{each:8.1f}"
        )
        too_large |= many.resources > RESOURCES_MAX or many.size > BYTES_MAX
    print(f"stack_size: CloudFormation takes {RESOURCES_MAX} resources and {BYTES_MAX // 1000} kB in a stack")
    return int(too_large)


if __name__ == "__main__":
    sys.exit(main())
