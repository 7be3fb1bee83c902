"""The message about a component whose engine publishes no metrics."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from cdk_sglang.planning import ResolvedComponent
from cdk_sglang.planning.component.measured import UNMEASURED


def tell_of_no_metrics(scope: Construct, component: ResolvedComponent) -> None:
    """Report at synth that SGLang publishes no metrics: widgets that read them stay empty, and alarms on them never fire."""
    if not component.server.enable_metrics:
        cdk.Annotations.of(scope).add_info(UNMEASURED)
