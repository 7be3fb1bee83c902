"""Versions of a draft: what the stack's parameter says, which may serve, and which one came before."""

from __future__ import annotations

from typing import Any

import pytest

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.optimization.versions import Served, Version, previous_of, run_problems, servable_problems
from cdk_sglang.serving.shared.drafts import BASE_VALUE
from tests.support.eagle import EARLIER, EARLIEST, PARAMETER, RUN, value_of


def version(run: str, **changes: Any) -> Version:
    metadata = {"run": run, "parameter": PARAMETER, "value": value_of(run)}
    package = {
        "ModelPackageArn": f"arn:{run}",
        "ModelApprovalStatus": changes.pop("status", "Approved"),
        "ApprovalDescription": changes.pop("reason", ""),
        "CustomerMetadataProperties": metadata | changes,
    }
    return Version.of(package)


def test_the_parameter_says_what_serves() -> None:
    served = Served.parse(value_of(RUN))
    assert (served.version, served.algorithm, served.steps, served.topk, served.draft_tokens) == (
        RUN,
        "EAGLE3",
        3,
        1,
        4,
    )
    assert served.text == f"{RUN} (EAGLE3, 3 steps, 4 draft tokens, accept length 2.61 when it was measured)"
    assert Served.parse(BASE_VALUE).text == "the model alone"
    lookup = Served.parse(f"{RUN},weights/llama/,NGRAM,,,12,")
    assert (lookup.steps, lookup.accept_length) == (None, None)
    assert lookup.text == f"{RUN} (NGRAM, 12 draft tokens)"


@pytest.mark.parametrize("value", ["", "base", f"{RUN},x", f"{RUN},p/,EAGLE3,,,4,2.6", "r1,p/,EAGLE3,3,1,4,2.6"])
def test_another_value_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match="is no version of a draft; expected base,,,,,, or <version>,<prefix>"):
        Served.parse(value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"status": "Rejected", "reason": "the gate said no"}, "was rejected: the gate said no; start another run"),
        ({"status": "PendingManualApproval"}, "was never approved (PendingManualApproval)"),
        ({"parameter": "Draftffffffffffff"}, "is for a base model that the component does not have any more"),
        ({"value": "nonsense"}, "keeps no value for the stack's parameter, got 'nonsense'"),
    ],
)
def test_a_version_that_cannot_serve_says_why(changes: dict[str, str], says: str) -> None:
    (problem,) = servable_problems(version(RUN, **changes), parameter=PARAMETER)
    assert problem.startswith(RUN)
    assert says in problem


def test_the_way_back_leads_to_the_approved_version_before_and_then_to_the_model_alone() -> None:
    versions = [version(RUN), version(EARLIER, status="Rejected"), version(EARLIEST)]
    found = previous_of(versions, served=RUN, parameter=PARAMETER)
    assert found is not None
    assert found.run == EARLIEST
    assert previous_of(versions, served=EARLIEST, parameter=PARAMETER) is None
    assert previous_of([version(RUN)], served=RUN, parameter=PARAMETER) is None


def test_a_name_that_is_no_run_is_refused_with_an_example() -> None:
    assert run_problems(RUN) == []
    (problem,) = run_problems("latest")
    assert problem.startswith("'latest' is not the name of a run; it looks like r20261130T161200-4f2a")
