"""The JSON Schema editors check environments by, judged by a validator that is not ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from cdk_sglang.environments.settings import Environment
from tools.schema import schema_text


@pytest.fixture(scope="module")
def validator(root: Path) -> Draft202012Validator:
    schema = json.loads((root / "environments" / "schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_schema_is_that_of_the_settings(root: Path) -> None:
    written = (root / "environments" / "schema.json").read_text(encoding="utf-8")
    assert written == schema_text(), "run `make schema`"


@pytest.mark.parametrize("name", ["local", "dev", "staging", "prod"])
def test_an_environment_of_the_repository_is_valid_and_names_the_schema(
    root: Path, validator: Draft202012Validator, name: str
) -> None:
    text = (root / "environments" / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")
    assert list(validator.iter_errors(yaml.safe_load(text))) == []


def _places(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    models = {"Environment": schema, **schema["$defs"]}
    return [(name, field, entry) for name, model in models.items() for field, entry in model["properties"].items()]


def test_every_field_is_described(validator: Draft202012Validator) -> None:
    schema = validator.schema
    for model, field, entry in _places(schema):
        target = schema["$defs"].get(entry.get("$ref", "").rpartition("/")[2], {})
        assert entry.get("description") or target.get("description"), f"{model}.{field}"


def test_every_model_refuses_unknown_keys(validator: Draft202012Validator) -> None:
    for name, model in {"Environment": validator.schema, **validator.schema["$defs"]}.items():
        assert model["additionalProperties"] is False, name


FAULTS: dict[str, dict[str, Any]] = {
    "unknown key": {"regoin": "us-east-1"},
    "account": {"account": "1"},
    "account as a number": {"account": 111122223333},
    "region": {"region": "virginia"},
    "retention": {"data": {"log_retention_days": 31}},
    "vpc": {"network": {"vpc": "yes"}},
    "one zone": {"network": {"vpc": "create", "availability_zones": ["us-east-1a"]}},
    "no endpoints": {"endpoints": {}},
    "endpoint name": {"endpoints": {"Chat": {}}},
    "instance type": {"capacity": {"type": "ml.m5.large", "max_instances": 1}},
    "type and pool": {
        "capacity": {"type": "ml.g6e.xlarge", "pool": ["ml.g6e.xlarge", "ml.g6e.2xlarge"], "max_instances": 1}
    },
    "pool of one": {"capacity": {"pool": ["ml.g6e.xlarge"], "max_instances": 1}},
    "no bound": {"capacity": {"type": "ml.g6e.xlarge"}},
    "model nowhere": {"model": {"id": "a/b"}},
    "model in two places": {"model": {"s3": "s3://a/b", "prefix": "b"}},
    "server option": {"server": {"tp_sise": 1}},
    "server choice": {"server": {"dtype": "float8"}},
    "component name": {"components": {"a_b": {"model": {"prefix": "b"}}}},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_editor_sees_what_the_app_would_refuse(
    validator: Draft202012Validator, fine: dict[str, Any], fault: str
) -> None:
    endpoint = fine["endpoints"]["chat"]
    assert validator.is_valid(fine)
    for key, value in FAULTS[fault].items():
        if key in {"model", "server"}:
            endpoint["components"]["llama"][key] = value
        elif key in {"capacity", "components"}:
            endpoint[key] = value
        else:
            fine[key] = value
    assert not validator.is_valid(fine)
    with pytest.raises(ValueError, match="validation error"):
        Environment.model_validate(fine)
