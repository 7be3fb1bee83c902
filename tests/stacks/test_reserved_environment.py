"""An environment with a reservation, through the app with every rule pack and rule of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cdk_sglang import __all__ as public
from tests.stacks.test_capacity_settings import content, reserved


def test_a_reserved_environment_passes_every_check_of_the_synth(run_app: Any, tmp_path: Path) -> None:
    settings = content(reserved(on_expiry="on_demand") | {"scale_in": {"strategy": "idle_release"}})
    done = run_app(settings)
    assert done.code == 0, done.err[-3000:]
    template = json.loads((tmp_path / "cdk.out" / "Serving-chat.template.json").read_text(encoding="utf-8"))
    kinds = [resource["Type"] for resource in template["Resources"].values()]
    assert "Custom::CdkSglangReservation" in kinds
    assert kinds.count("AWS::Scheduler::Schedule") == 1


def test_a_plan_of_another_account_stops_the_synth_with_the_place_in_the_file(run_app: Any) -> None:
    plan = "arn:aws:sagemaker:eu-west-1:999988887777:training-plan/peak"
    done = run_app(content(reserved(training_plan=plan)))
    assert done.code == 2
    assert done.err.splitlines() == [
        (
            f"environments/test.yaml: endpoints.chat.capacity.reserved.training_plan: {plan} is of region eu-west-1 and account 999988887777, "
            "the stack of us-east-1 and 111122223333; a plan cannot be used elsewhere, so name one of us-east-1 and 111122223333: "
            "cdk-sglang capacity status"
        )
    ]


def test_the_values_are_public() -> None:
    assert {"Capacity", "OnDemandMove", "ScaleIn"} <= set(public)
