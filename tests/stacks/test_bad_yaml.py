"""Mistakes in a file are told in words of YAML and of the field, one line each: nothing of Python, of its parser or of its checker."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdk_sglang import ConfigurationError
from cdk_sglang.environments.reading import load, parse
from cdk_sglang.models.known_models import catalogue

FINE = """\
account: "444455556666"
region: us-east-1
network: {vpc: create}
endpoints:
  chat:
    capacity: {type: ml.g6e.12xlarge, max_instances: 2}
    components:
      qwen:
        model: {id: Qwen/Qwen3-8B, prefix: weights/Qwen/Qwen3-8B/}
        server: {context_length: 32768}
        scaling: {min_copies: 1, max_copies: 4}
"""
QWEN = "endpoints.chat.components.qwen"
SCHEDULE = "scaling: {min_copies: 1, max_copies: 4, time_zone: %s, schedules: {b: {days: [mon], begins: 07:30, ends: 19:00, min_copies: 2}}}"
SCALING = "scaling: {min_copies: 1, max_copies: 4}"
RESERVED = 'capacity: {reserved: {training_plan: "arn:aws:sagemaker:us-east-1:444455556666:training-plan/peak", type: ml.p5.48xlarge, count: 1, until: %s}}'


def _problems(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        parse(text, source="e.yaml")
    return [line.removeprefix("e.yaml: ") for line in error.value.problems]


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("endpoints:", "endpoits:", ["endpoits: unknown key; did you mean 'endpoints'"]),
        ("components:", "component:", ["endpoints.chat.component: unknown key; did you mean 'components'"]),
        ("model:", "modle:", [f"{QWEN}.modle: unknown key; did you mean 'model'"]),
        (
            "min_copies: 1, max_copies: 4",
            "min_replicas: 1, max_replicas: 4",
            [f"{QWEN}.scaling.{end}_replicas: unknown key; did you mean '{end}_copies'" for end in ("min", "max")],
        ),
        ("context_length: 32768", "max_model_len: 32768", [f"{QWEN}.server.max_model_len: unknown key; did you mean 'context_length'"]),
        ("context_length: 32768", "tp: 2", [f"{QWEN}.server.tp: unknown key; did you mean 'tp_size'"]),
        (
            "context_length: 32768",
            "gpu_memory_utilization: 0.9",
            [f"{QWEN}.server.gpu_memory_utilization: unknown key; did you mean 'mem_fraction_static'"],
        ),
        (
            "context_length: 32768",
            "is_embedding: true",
            [f"{QWEN}.server.is_embedding: unknown key; say what the component is for with task beside server: task: embedding, rerank or classify"],
        ),
        ("context_length: 32768", "task: embedding", [f"{QWEN}.server.task: unknown key; task belongs to the component, beside server"]),
        (
            "context_length: 32768",
            "model_path: /opt/ml/model",
            [f"{QWEN}.server.model_path: unknown key; it cannot be set: the model's weights are mounted at /opt/ml/model; choose them with model"],
        ),
        (
            "max_instances: 2",
            "max_instances:2",
            ["endpoints.chat.capacity.max_instances:2: unknown key; write a space after the colon: max_instances: 2"],
        ),
        ("max_instances: 2", "max_instances: true", ["endpoints.chat.capacity.max_instances: takes a whole number, got true; write a whole number"]),
        ("max_instances: 2", "max_instances: .nan", ["endpoints.chat.capacity.max_instances: takes a whole number, got .nan; write a whole number"]),
        ("qwen:", "yes:", ["endpoints.chat.components.true: true is true or false here; write it in quotes"]),
        ("qwen:", "null:", ["endpoints.chat.components.null: takes text, got nothing; write it, or remove the key"]),
        ("qwen:", "2027-03-01:", ["endpoints.chat.components.2027-03-01: takes text, got 2027-03-01; write it in quotes"]),
        ("region: us-east-1", "region: [us-east-1]", ["region: takes text, got ['us-east-1']; write it without brackets: us-east-1"]),
        ("type: ml.g6e.12xlarge", "type: {a: true}", ["endpoints.chat.capacity.type: takes text, got {a: true}; write one value"]),
        ("region:", "tags: !!set {b, a}\nregion:", ["tags: takes a mapping, got {a, b}; write one `name: value` a line below it"]),
        ("region:", "tags: {a: !!binary aGk=}\nregion:", ["tags.a: takes text, got binary data; write one value"]),
        (
            "ml.g6e.12xlarge",
            "ml.inf2.xlarge",
            [
                ("endpoints.chat.capacity.type: 'ml.inf2.xlarge' has no NVIDIA GPU, which SGLang needs here; use a type such as ml.g5.xlarge or "
                "ml.g6e.xlarge")
            ],
        ),
        (
            "ml.g6e.12xlarge",
            "H100",
            ["endpoints.chat.capacity.type: 'H100' is a GPU, and an instance type is expected; types with it: ml.p5.4xlarge, ml.p5.48xlarge"],
        ),
        (
            "region:",
            "alarms: {topic: 'arn:aws-cn:sns:us-east-1:444455556666:ops'}\nregion:",
            [
                "alarms.topic: arn:aws-cn:sns:us-east-1:444455556666:ops is of partition aws-cn, and us-east-1 is in aws; write arn:aws:…"
            ],
        ),
        (
            SCALING,
            (SCHEDULE % "UTC").replace("19:00", "24:00"),
            [f"{QWEN}.scaling.schedules.b.ends: '24:00' is not a time; use HH:MM, from 00:00 to 23:59"],
        ),
        (
            SCALING,
            SCHEDULE % "UTC+2",
            [
                (f"{QWEN}.scaling.time_zone: 'UTC+2' is an offset, which has no daylight saving time; use a name from the IANA database, such as "
                "Europe/Berlin, or UTC")
            ],
        ),
        (
            "capacity: {type: ml.g6e.12xlarge, max_instances: 2}",
            RESERVED % "2020-03-01",
            [
                ("endpoints.chat.capacity.reserved.until: 2020-03-01 is in the past; name a day that the plan still lasts to, as "
                "`cdk-sglang capacity status` prints it")
            ],
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_once_in_words_of_the_field(old: str, new: str, lines: list[str]) -> None:
    assert _problems(FINE.replace(old, new, 1)) == lines


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a:\n  b: 1\n c: 2\n", ("line 3, column 2: this line is indented differently from its neighbours; indent them alike (while parsing a block "
         "mapping that begins on line 1, column 1)")),
        ('{"a": 1', ("line 1, column 8: the file ends before a bracket or brace is closed; close it (while parsing a flow mapping that begins on line 1, "
         "column 1)")),
        ('a: "b\n', "line 2, column 1: the file ends before a quote is closed; close it (while scanning a quoted scalar that begins on line 1, column 4)"),
        ("a:\n\tb: 1\n", "line 2, column 1: a tab is used where spaces are expected; indent with spaces"),
        ("a: @b\n", "line 1, column 4: @ begins no value of YAML; put the value in quotes"),
        ("a: !Ref b\n", "line 1, column 4: !Ref is a YAML tag, which these files do not support; remove it, or put the value in quotes"),
        ("a: !!python/object:os.system {}\n", ("line 1, column 4: !!python/object:os.system is a YAML tag, which these files do not support; remove it, or put "
         "the value in quotes")),
        ("a: {{ .Values.b }}\n", "line 1, column 5: a mapping is no key; fill in the template's braces first, or put the value in quotes"),
        ("a: " + "[" * 2000 + "]" * 2000, "nested too deeply; write it with fewer brackets and levels"),
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_told_in_plain_words(text: str, line: str) -> None:
    assert _problems(text) == [f"not YAML: {line}"]


def test_hours_need_no_quotes() -> None:
    environment = parse(FINE.replace(SCALING, SCHEDULE % "UTC"), source="e.yaml")
    scaling = environment.endpoints["chat"].components["qwen"].scaling
    assert scaling is not None
    assert (scaling.schedules["b"].begins, scaling.schedules["b"].ends) == ("07:30", "19:00")


def test_the_name_of_a_file_and_its_content_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "1st.yaml").write_text(FINE.replace("endpoints:", "endpoits:"))
    with pytest.raises(ConfigurationError) as error:
        load("1st", folder=tmp_path)
    named, content_problem = error.value.problems
    assert "the file's name names the environment: '1st' is not allowed" in named
    assert content_problem.endswith("endpoits: unknown key; did you mean 'endpoints'")


def test_a_missing_file_leads_to_those_that_are_there(tmp_path: Path) -> None:
    def line(name: str, folder: Path) -> str:
        with pytest.raises(ConfigurationError) as error:
            load(name, folder=folder)
        return str(error.value).partition("; ")[2]

    away = tmp_path / "away"
    assert (
        line("x", away)
        == f"there is no folder {away}; correct the path, or make one: cdk-sglang init --environments {away}"
    )
    assert (
        line("x", tmp_path) == f"{tmp_path} has no environment yet; name a file elsewhere, or make one: cdk-sglang init"
    )
    (tmp_path / "prod.yaml").touch()
    assert line("x", tmp_path) == f"environments in {tmp_path}: prod"
    for number in range(20):
        (tmp_path / f"team-{number:02d}.yaml").touch()
    assert line("prd", tmp_path).startswith(f"nearest of 21 environments in {tmp_path}: prod, ")


def test_an_unknown_model_is_compared_by_its_name_and_not_by_its_owner() -> None:
    text = FINE.replace("id: Qwen/Qwen3-8B", "id: acme/support-qwen3-8b")
    with pytest.raises(ConfigurationError) as error:
        catalogue(parse(text, source="e.yaml").endpoints["chat"].components["qwen"].model.id or "")
    near = str(error.value).partition(" known: ")[2].partition(", or add it")[0].split(", ")
    assert "Qwen/Qwen3-8B" in near
    assert all("qwen" in name.lower() for name in near)
