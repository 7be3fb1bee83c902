"""Drafts in an environment: a stack of their own, which only an environment with drafts has."""

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from cdk_sglang import ConfigurationError
from cdk_sglang.environments.reading import cdk_json_context, check
from stacks.checks import add_checks
from stacks.fleet import add_fleet
from tools.check.cfn_lint import findings

NAME = "cdk-sglang-test-speculative"
SERVING = "cdk-sglang-test-chat"
PATH = "test.yaml: endpoints.chat.components.llama"
Synthesise = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def synthesise(root: Path, tmp_path: Path) -> Synthesise:
    def run(content: dict[str, Any], *, folder: str = "cdk.out", checks: bool = False) -> dict[str, dict[str, Any]]:
        app = cdk.App(context=cdk_json_context(root / "cdk.json"), outdir=str(tmp_path / folder))
        settings = check(content, source="test.yaml")
        env = cdk.Environment(account=settings.account, region=settings.region)
        add_fleet(app, name="test", settings=settings, source="test.yaml", env=env)
        if checks:
            add_checks(app)
        stacks = app.synth().stacks
        return {stack.stack_name: json.loads(Path(stack.template_full_path).read_text()) for stack in stacks}

    return run


@pytest.fixture
def llama(fine: dict[str, Any]) -> dict[str, Any]:
    """The component of the environment, with a draft that is trained."""
    component: dict[str, Any] = fine["endpoints"]["chat"]["components"]["llama"]
    component["model"]["id"] = "meta-llama/Llama-3.1-8B-Instruct"
    component["server"] = {"context_length": 8192}
    component["speculative"] = {"eagle": {"dataset": "built_in", "max_usd": 200}}
    return component


def _refused(synthesise: Synthesise, content: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        synthesise(content)
    return list(error.value.problems)


@pytest.mark.usefixtures("llama")
def test_its_stack_is_as_it_was_reviewed(
    synthesise: Synthesise, fine: dict[str, Any], snapshot: SnapshotAssertion
) -> None:
    template = synthesise(fine)[NAME]
    template["Parameters"].pop("BootstrapVersion")
    template.pop("Rules")
    scrubbed = json.loads(re.sub(r"\b[0-9a-f]{64}\b", "<hash>", json.dumps(template)))
    assert scrubbed == snapshot(extension_class=JSONSnapshotExtension)


def test_an_environment_without_drafts_has_no_stack_of_them_and_loads_nothing(
    synthesise: Synthesise, fine: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("stacks.speculative", "cdk_sglang.optimization"))]:
        monkeypatch.delitem(sys.modules, name)
    templates = synthesise(fine)
    assert NAME not in templates
    assert "Conditions" not in templates[SERVING]
    assert not [name for name in sys.modules if name.startswith(("stacks.speculative", "cdk_sglang.optimization"))]


def test_two_synths_give_the_same_bytes(synthesise: Synthesise, fine: dict[str, Any], llama: dict[str, Any]) -> None:
    llama["speculative"]["eagle"] |= {"dataset": "captured", "retrain": {"every_days": 7}}
    assert synthesise(fine, folder="one") == synthesise(fine, folder="two")


def test_stacks_are_tied_by_parameters_and_the_parameter_is_that_of_the_serving_stack(
    synthesise: Synthesise, fine: dict[str, Any], llama: dict[str, Any]
) -> None:
    llama["model"] = {"id": "meta-llama/Llama-3.1-8B-Instruct", "s3": "s3://models/llama/"}
    templates = synthesise(fine)
    assert "Fn::ImportValue" not in json.dumps(templates[NAME])
    (parameter,) = (name for name in templates[SERVING]["Parameters"] if name.startswith("Draft"))
    assert parameter in json.dumps(templates[NAME])
    assert "/cdk-sglang/test/execution-role-arn/chat" in json.dumps(templates[SERVING])
    assert {one["Default"] for one in templates[NAME]["Parameters"].values()} >= {
        "/cdk-sglang/test/execution-role-arn/chat",
        "/cdk-sglang/test/key-arn",
        "/cdk-sglang/test/weights-bucket",
    }


def test_no_endpoint_may_have_the_name_of_its_stack(synthesise: Synthesise, fine: dict[str, Any]) -> None:
    fine["endpoints"]["speculative"] = fine["endpoints"].pop("chat")
    assert _refused(synthesise, fine) == [
        "test.yaml: endpoints.speculative: 'speculative' names the stack of the drafts of all components; choose another name"
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"server": {"context_length": 8192, "speculative": {"algorithm": "NGRAM"}}},
            ".server.speculative: is SGLang's own way, which serves a draft without measuring it, and speculative is there too; keep one",
        ),
        (
            {"speculative": {"nextn": {}}},
            ".speculative.nextn: meta-llama/Llama-3.1-8B-Instruct has no layers that predict further tokens; use eagle, draft or ngram",
        ),
        (
            {"model": {"prefix": "weights/llama/", "weights_gib": 15}},
            (
                ".speculative: is measured with the model's tokenizer, and nothing says which it is; give model.id, such as Qwen/Qwen3-8B"
            ),
        ),
        (
            {"server": {"context_length": 8192, "attention_backend": "torch_native"}},
            ".server.attention_backend: torch_native cannot verify drafts of EAGLE3; use triton or leave it out",
        ),
        (
            {"server": {"context_length": 8192, "pp_size": 2}},
            ".server.pp_size: speculative decoding runs with one pipeline stage, got 2; use 1 and a larger tp_size",
        ),
    ],
)
def test_a_draft_that_cannot_be_is_refused_with_its_place(
    synthesise: Synthesise, fine: dict[str, Any], llama: dict[str, Any], changes: dict[str, Any], line: str
) -> None:
    llama |= changes
    assert f"{PATH}{line}" in _refused(synthesise, fine)


def test_what_optimization_jobs_do_not_train_is_refused(
    synthesise: Synthesise, fine: dict[str, Any], llama: dict[str, Any]
) -> None:
    llama |= {"model": {"id": "google/gemma-3-12b-it", "prefix": "weights/gemma/"}}
    (line,) = _refused(synthesise, fine)
    assert line.startswith(
        f"{PATH}.speculative.eagle: optimization jobs train no draft for google/gemma-3-12b-it (gemma3"
    )
    assert line.endswith("Qwen3NextForCausalLM; use draft for one that was trained elsewhere, nextn or ngram")


def test_a_type_that_jobs_do_not_know_needs_another_for_the_training(
    synthesise: Synthesise, fine: dict[str, Any], llama: dict[str, Any]
) -> None:
    fine["endpoints"]["chat"]["capacity"]["type"] = "ml.p5.4xlarge"
    fine["endpoints"]["chat"]["capacity"]["max_instances"] = 3
    (line,) = _refused(synthesise, fine)
    assert line.startswith(
        f"{PATH}.speculative.eagle.instance: missing, and optimization jobs do not run on ml.p5.4xlarge; use one of ml.g5"
    )
    llama["speculative"]["eagle"]["instance"] = "ml.g6e.12xlarge"
    assert NAME in synthesise(fine)


def test_a_type_without_a_price_is_refused_for_the_training_until_one_is_named(
    synthesise: Synthesise, fine: dict[str, Any], llama: dict[str, Any]
) -> None:
    llama["speculative"]["eagle"]["instance"] = "ml.g6e.16xlarge"
    assert _refused(synthesise, fine) == [
        (
            f"{PATH}.speculative.eagle.max_usd: is a ceiling in dollars, and no price of ml.g6e.16xlarge in us-east-1 is known; give usd_per_hour, "
            "or add one to prices.csv beside the environments, or use another type"
        )
    ]
    llama["speculative"]["eagle"]["usd_per_hour"] = 9.5
    assert NAME in synthesise(fine)


@pytest.mark.usefixtures("llama")
def test_a_region_without_benchmark_jobs_is_refused(synthesise: Synthesise, fine: dict[str, Any]) -> None:
    fine["region"] = "ca-central-1"
    assert (
        f"{PATH}.speculative: ca-central-1 has no AI benchmark jobs, which measure the draft; did you mean 'eu-central-1', or measure it by hand "
        "and serve it with server.speculative"
    ) in _refused(synthesise, fine)


def test_two_more_copies_need_room_or_a_second_endpoint(
    synthesise: Synthesise, fine: dict[str, Any], llama: dict[str, Any]
) -> None:
    llama["copies"] = 3
    assert _refused(synthesise, fine) == [
        (
            f"{PATH}.speculative.eagle.second_endpoint: a draft is measured on 2 more copies, which takes 2 instances of ml.g6e.12xlarge, "
            "max_instances 1 allowed; raise max_instances by 1, or allow a short-lived endpoint: second_endpoint: true"
        )
    ]
    llama["speculative"]["eagle"]["second_endpoint"] = True
    assert NAME in synthesise(fine)


@pytest.mark.usefixtures("llama")
def test_a_pool_of_types_is_refused(synthesise: Synthesise, fine: dict[str, Any]) -> None:
    fine["endpoints"]["chat"]["capacity"] = {"pool": ["ml.g6e.12xlarge", "ml.g6e.24xlarge"], "max_instances": 3}
    assert (
        f"{PATH}.speculative: is measured on one instance type, and the endpoint has a pool of ml.g6e.12xlarge, ml.g6e.24xlarge, where the draft "
        "may be slower on another; give the component an endpoint with one type"
    ) in _refused(synthesise, fine)


def test_a_person_is_not_asked_where_nobody_is_told(
    synthesise: Synthesise, fine: dict[str, Any], llama: dict[str, Any]
) -> None:
    fine["alarms"] = {"none": "a test"}
    llama["speculative"]["eagle"] |= {"approval": "required", "retrain": {"on_alarm": True}}
    where = "(for endpoints.chat.components.llama.speculative)"
    assert _refused(synthesise, fine) == [
        (
            "test.yaml: alarms.none: missing: a person is asked for approval by mail; give Alarms(topic=...), or approval: none "
            f"{where}"
        ),
        (
            "test.yaml: observability.enrichment: False, and retrain.on_alarm waits for an alarm on the accept length, which SGLang's metrics and "
            f"OTel enrichment are needed for; set enrichment=True, or give every_days instead {where}"
        ),
    ]


@pytest.mark.usefixtures("llama")
def test_more_drafts_than_a_stack_has_room_for_are_refused(synthesise: Synthesise, fine: dict[str, Any]) -> None:
    chat = fine["endpoints"].pop("chat")
    fine["endpoints"] = {f"chat-{number}": copy.deepcopy(chat) for number in range(1, 9)}
    assert _refused(synthesise, fine) == [
        (
            "test.yaml: endpoints.chat-8.components.llama.speculative: is draft 8 of the environment; one stack has room for 7, so move components "
            "into another environment"
        )
    ]


def test_wrong_settings_are_refused_with_their_path(fine: dict[str, Any], llama: dict[str, Any]) -> None:
    llama["speculative"] = {"eagle": {"dataset": "built_in", "max_usd": 200, "min_speed": 1.2}}
    with pytest.raises(ConfigurationError) as error:
        check(fine, source="test.yaml")
    assert list(error.value.problems) == [
        f"{PATH}.speculative.eagle.min_speed: unknown key; did you mean 'min_speedup'"
    ]


def test_its_template_passes_every_check(
    synthesise: Synthesise, fine: dict[str, Any], llama: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CDK_VALIDATION")
    llama["speculative"]["eagle"] |= {
        "dataset": "captured",
        "approval": "required",
        "retrain": {"every_days": 30, "on_alarm": True},
    }
    templates = synthesise(fine | {"observability": {"enrichment": "enabled"}}, checks=True)
    for name in (NAME, SERVING):
        assert findings(json.dumps(templates[name]), region="us-east-1") == []
