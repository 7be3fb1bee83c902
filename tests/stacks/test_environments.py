"""YAML without surprises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdk_sglang import ConfigurationError
from cdk_sglang.environments.reading import cdk_json_context, load, parse
from cdk_sglang.environments.settings import Environment

FINE = """\
network: {vpc: none}
endpoints:
  chat:
    capacity: {type: ml.g6e.12xlarge, max_instances: 1}
    components:
      llama:
        model: {prefix: weights/llama/}
"""
KEYS = ", ".join(Environment.model_fields)


def _problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as error:
        parse(text, source="e.yaml")
    return error.value.problems


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("", "nothing"),
        ("# only a comment", "nothing"),
        ("- a\n- b", "a list"),
        ("prod", "a text"),
        ("3", "a number"),
        ("no", "true or false"),
        ("2027-03-01", "a text"),
    ],
)
def test_a_file_must_be_a_mapping(text: str, got: str) -> None:
    assert _problems(text) == (
        f"e.yaml: expected a mapping with the keys {KEYS}, got {got}; begin with region, network and endpoints, or let `cdk-sglang init` write a file",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2", "while parsing a flow sequence"),
        ("a: 1\n\t- b", "a tab is used where spaces are expected; indent with spaces"),
        ("--- a\n--- b", "expected a single document in the stream"),
        ("a: 2026-13-45", "month must be in 1..12"),
        (
            "a: !!python/object:os.system {}",
            "!!python/object:os.system is a YAML tag, which these files do not support",
        ),
        ("? {a: b}\n: 3", "a mapping is no key"),
        ("a: *nowhere", "found undefined alias 'nowhere'"),
        ("a: \x00", "line 1 holds the control character 0x00; remove it"),
        ("[" * 2000, "nested too deeply"),
        (f"a: {'9' * 5000}", "Exceeds the limit (4300 digits)"),
    ],
)
def test_what_is_no_yaml_is_one_line(text: str, message: str) -> None:
    (problem,) = _problems(text)
    assert problem.startswith("e.yaml: not YAML: ")
    assert message in problem
    assert "\n" not in problem


def test_a_component_that_stands_there_twice_does_not_replace_the_first() -> None:
    twice = f"{FINE}      llama:\n        model: {{prefix: weights/other/}}\n"
    assert _problems(twice) == ("e.yaml: line 8: 'llama' is listed twice, first on line 6; rename or remove one",)


def test_every_key_of_a_mapping_that_stands_there_twice_is_named() -> None:
    assert _problems("a: 1\nb: 1\na: 2\nb: 2\n") == (
        "e.yaml: line 3: 'a' is listed twice, first on line 1; rename or remove one",
        "e.yaml: line 4: 'b' is listed twice, first on line 2; rename or remove one",
    )


def test_anchors_and_merge_keys_share_what_is_common() -> None:
    text = f"""{FINE.replace("components:", "components: &shared")}\
  code:
    capacity: {{type: ml.g6e.12xlarge, max_instances: 1}}
    components:
      <<: *shared
      qwen: {{model: {{prefix: weights/qwen/}}}}
"""
    assert list(parse(text, source="e.yaml").endpoints["code"].components) == ["llama", "qwen"]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "max_instances: 1",
            "max_instances: '1'",
            "endpoints.chat.capacity.max_instances: '1' is text; write 1 without quotes",
        ),
        (
            "max_instances: 1",
            "max_instances: true",
            "endpoints.chat.capacity.max_instances: takes a whole number, got true; write a whole number",
        ),
        (
            "max_instances: 1",
            "max_instances: 1.5",
            "endpoints.chat.capacity.max_instances: takes a whole number, got 1.5; use 1 or 2",
        ),
        (
            "max_instances: 1",
            "max_instances: 2000",
            "endpoints.chat.capacity.max_instances: 2000 is not allowed; use a value <= 1000",
        ),
        (
            "weights/llama/}",
            "weights/llama/, weights_gib: .nan}",
            "endpoints.chat.components.llama.model.weights_gib: .nan is not allowed; use a finite number",
        ),
        (
            "prefix: weights/llama/",
            "prefix: yes",
            "endpoints.chat.components.llama.model.prefix: true is true or false here; write it in quotes",
        ),
        ("vpc: none", "vpc: nonne", "network.vpc: 'nonne' is not allowed; did you mean 'none'"),
        ("vpc: none", "vpc: 3", "network.vpc: 3 is not allowed; known: create, existing, none"),
        (
            "max_instances: 1}",
            "max_instances: 1}\n    metric_frequency_seconds: 15",
            "endpoints.chat.metric_frequency_seconds: 15 is not allowed; use 10, 30, 60, 120, 180, 240 or 300",
        ),
        (
            "    capacity: {type: ml.g6e.12xlarge, max_instances: 1}\n",
            "",
            "endpoints.chat.capacity: missing; it has no default",
        ),
    ],
)
def test_types_are_as_they_are_written(old: str, new: str, line: str) -> None:
    assert _problems(FINE.replace(old, new)) == (f"e.yaml: {line}",)


@pytest.mark.parametrize(
    ("section", "typo", "meant"),
    [
        ("", "regoin: us-east-1", "region"),
        ("", "netwrok: {vpc: none}", "network"),
        ("data:", "  on_delet: retain", "on_delete"),
        ("endpoints: &e", "  chat: {capcity: {}}", "capacity"),
    ],
)
def test_unknown_keys_come_with_the_nearest_known_one(section: str, typo: str, meant: str) -> None:
    text = f"{section}\n{typo}\n" if section else f"{typo}\n"
    assert any(f"unknown key; did you mean '{meant}'" in problem for problem in _problems(text))


def test_a_key_like_no_other_lists_those_that_are_known() -> None:
    assert f"e.yaml: zzz: unknown key; known: {', '.join(sorted(Environment.model_fields))}" in _problems("zzz: 1")


def test_long_values_are_shortened() -> None:
    (problem,) = _problems(FINE.replace("{vpc: none}", "{vpc: none, cidr: [" + "1, " * 500 + "1]}"))
    assert len(problem) < 200


def test_a_folder_of_that_name_is_no_environment(tmp_path: Path) -> None:
    (tmp_path / "prod.yaml").mkdir()
    with pytest.raises(ConfigurationError, match=r"no such file; .* has no environment yet"):
        load("prod", folder=tmp_path)


def test_the_four_environments_load(root: Path) -> None:
    found = {name: load(name, folder=root / "environments") for name in ("local", "dev", "staging", "prod")}
    assert {name: list(settings.endpoints) for name, settings in found.items()} == {
        "local": ["chat"],
        "dev": ["chat"],
        "staging": ["shared"],
        "prod": ["reasoning", "chat"],
    }
    assert found["dev"].account is None, "dev takes the account the CDK CLI is signed in to"


def test_settings_survive_a_round_trip_through_yaml(root: Path) -> None:
    settings = load("prod", folder=root / "environments")
    dumped = yaml.safe_dump(settings.model_dump(mode="json", exclude_unset=True))
    assert parse(dumped, source="e.yaml") == settings


def test_the_context_of_cdk_json_is_read_where_there_is_one(root: Path, tmp_path: Path) -> None:
    assert cdk_json_context(root / "cdk.json") == json.loads((root / "cdk.json").read_text())["context"]
    assert cdk_json_context(tmp_path / "cdk.json") == {}
    (tmp_path / "cdk.json").write_text("{}")
    assert cdk_json_context(tmp_path / "cdk.json") == {}


def test_both_strict_flags_of_the_validation_are_on(root: Path) -> None:
    context: dict[str, Any] = cdk_json_context(root / "cdk.json")
    assert context["@aws-cdk/core:validateAgainstDefaultRules"] is True
    assert context["@aws-cdk/core:strictCfnValidateErrors"] is True


def test_reading_and_planning_an_environment_starts_no_cdk(root: Path) -> None:
    """CDK starts a node process, which takes a second and writes to the terminal when it is interrupted."""
    code = (
        "import sys; from cdk_sglang.environments.planning import fleet_request, observed_fleet; fleet_request('prod'); "
        "observed_fleet('prod'); print('aws_cdk' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": f"{root / 'constructs'}:{root}"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("False\n", "")


LAUGHS = "a: &a [l, l, l, l, l, l, l, l, l]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in pairwise("abcdefgh")
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (LAUGHS, "line 6: stands for more than 100,000 values with every alias written out; use fewer aliases"),
        ("a: &a [*a]", "line 1: an alias is part of the value that it refers to; write the value out"),
        ("a: &a {b: {c: *a}}", "line 1: an alias is part of the value that it refers to; write the value out"),
    ],
)
def test_aliases_without_an_end_are_refused_at_once(text: str, problem: str) -> None:
    assert _problems(text) == (f"e.yaml: {problem}",)


def test_a_parsers_place_is_told_as_an_editor_counts() -> None:
    (problem,) = _problems("a:\n  b: 1\n c: 2\n")
    assert problem == (
        "e.yaml: not YAML: line 3, column 2: this line is indented differently from its neighbours; indent them alike (while parsing a block "
        "mapping that begins on line 1, column 1)"
    )


def test_digits_with_a_zero_in_front_are_no_octal_number() -> None:
    assert parse(f"account: 012345671234\n{FINE}", source="e.yaml").account == "012345671234"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("region: us-esat-1", "region: SageMaker has no endpoint in Region 'us-esat-1' (botocore 1.44.5); did you mean 'us-east-1'"),
        (
            "region: us-east-1\nalarms: {topic: 'arn:aws:sns:us-west-2:444455556666:ops'}",
            "alarms.topic: arn:aws:sns:us-west-2:444455556666:ops is in us-west-2, the environment in us-east-1; name one of us-east-1",
        ),
        ("budget_usd_per_hour: .inf", "budget_usd_per_hour: .inf is not allowed; use a finite number"),
        ("budget_usd_per_hour: $40", "budget_usd_per_hour: '$40' is text; write digits alone: 40, without a sign"),
        ("routes: {r: [chat/llama]}", "routes.r: ['chat/llama'] has 1 entry; list at least 2"),
    ],
)  # fmt: skip
def test_values_of_elsewhere_and_units_are_told_in_words_of_the_field(line: str, problem: str) -> None:
    assert _problems(f"{line}\n{FINE}") == (f"e.yaml: {problem}",)


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        ("kv_cache_dtype: fp8", "kv_cache_dtype: 'fp8' is not allowed; did you mean 'fp8_e4m3'"),
        ("is_embedding: true", "is_embedding: unknown key; say what the component is for with task beside server: task: embedding, rerank or classify"),
        ("enable_lora: true", "enable_lora: unknown key; enable_lora is lora here"),
        ("context_lenght: 4096", "context_lenght: unknown key; did you mean 'context_length'"),
    ],
)  # fmt: skip
def test_a_near_miss_of_an_option_names_what_was_meant(server: str, problem: str) -> None:
    text = f"{FINE}        server: {{{server}}}\n"
    assert _problems(text) == (f"e.yaml: endpoints.chat.components.llama.server.{problem}",)


def test_a_secret_of_another_region_and_a_prefix_that_is_a_uri_are_refused() -> None:
    secret = "arn:aws:secretsmanager:us-west-2:444455556666:secret:hf-AbCdEf"
    model = f"{{hugging_face: a/b, revision: {'0' * 40}, token_secret: '{secret}'}}"
    start = FINE[: FINE.index("        model:")]
    assert _problems(f"region: us-east-1\n{start}        model: {model}\n") == (
        f"e.yaml: endpoints.chat.components.llama.model.token_secret: {secret} is in us-west-2, the environment in us-east-1; name one of us-east-1",
    )
    (problem,) = _problems(f"{start}        model: {{prefix: s3://bucket/weights/}}\n")
    assert "is an S3 URI, and a key within the bucket is expected; give it as s3" in problem


def test_a_name_that_no_stack_may_have_is_told(tmp_path: Path) -> None:
    (tmp_path / "Dev_1.yaml").write_text(FINE)
    with pytest.raises(ConfigurationError, match="the file's name names the environment: 'Dev_1' is not allowed"):
        load("Dev_1", folder=tmp_path)
