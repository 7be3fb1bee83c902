"""Tools as JSON Schema, and what a gateway keeps of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cdk_sglang.agents.schemas import read_tools
from cdk_sglang.errors import ConfigurationError

CLINICAL = Path("constructs/cdk_sglang/_runtime/clinical/tools.json")


def write(folder: Path, content: Any) -> Path:
    path = folder / "tools.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def tool(**changes: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}
    return {"name": "book", "description": "Books a visit.", "inputSchema": schema, **changes}


def problems(path: Path, target: str = "visits") -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        read_tools(path, target=target)
    return [problem.removeprefix(f"{path}") for problem in error.value.problems]


def test_the_projects_own_tools_are_expressed_with_their_constraints_in_words(root: Path) -> None:
    search, save = read_tools(root / CLINICAL, target="clinical")
    assert search.name == "patient_search"
    assert save.input_schema["required"] == ["patient_id", "format", "content", "idempotency_key"]
    properties = save.input_schema["properties"]
    assert properties["format"]["description"].endswith("One of: markdown, json, fhir.")
    assert properties["content"]["description"] == "The whole report in that format. 1 to 60000 characters."
    assert "^p-[0-9a-f]{12}$" in properties["patient_id"]["description"]
    assert set(properties["patient_id"]) == {"type", "description"}


def test_arrays_objects_and_results_are_expressed_all_the_way_down(tmp_path: Path) -> None:
    item = {
        "type": "object",
        "properties": {"code": {"type": "string", "const": "x"}, "n": {"type": "integer", "minimum": 1}},
    }
    schema = {"type": "object", "properties": {"codes": {"type": "array", "items": item, "minItems": 1, "maxItems": 5}}}
    (read,) = read_tools(write(tmp_path, [tool(inputSchema=schema, outputSchema={"type": "object"})]), target="visits")
    assert read.output_schema == {"type": "object"}
    assert read.input_schema["properties"]["codes"] == {
        "type": "array",
        "description": "1 to 5 items.",
        "items": {
            "type": "object",
            "properties": {
                "code": {"type": "string", "description": "Always: x."},
                "n": {"type": "integer", "description": "At least 1."},
            },
        },
    }


def test_python_spelling_and_a_list_without_a_frame_are_read_too(tmp_path: Path) -> None:
    content = tool()
    content["input_schema"] = content.pop("inputSchema")
    (read,) = read_tools(write(tmp_path, [content]), target="visits")
    assert read.input_schema["required"] == ["day"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", ": cannot be read as JSON: "),
        ({"tools": []}, ": holds no tools; write a list of {name, description, inputSchema}"),
        ([tool(), tool()], ": tool 'book' is listed more than once; rename one"),
        ([tool(name="a b")], "[0].name: 'a b' is not allowed; use letters, digits, - and _, a letter first"),
        (
            [tool(name="b" * 60)],
            f"[0].name: models would see 'visits___{'b' * 60}' with 69 characters; 64 are allowed: shorten it",
        ),
        ([tool(description=" ")], "[0].description: missing; say what the tool does, since the model chooses by it"),
        ([tool(inputSchema={"type": "string"})], "[0].inputSchema: missing or not an object; write {type: object, properties: {…}}"),
        (
            [tool(inputSchema={"type": "object", "required": ["day"]})],
            "[0].inputSchema.required: 'day' is not one of its properties; add it, or remove it here",
        ),
        (
            [tool(inputSchema={"type": "object", "properties": {"a": {"type": "string", "anyOf": []}}})],
            "[0].inputSchema.properties.a.anyOf: a gateway does not support this keyword; write out type, properties, required and items",
        ),
        (
            [tool(inputSchema={"type": "object", "properties": {"a": {"type": ["string", "null"]}}})],
            "[0].inputSchema.properties.a.type: ['string', 'null'] is not allowed; use one of array, boolean, integer, number, object, string",
        ),
    ],
)  # fmt: skip
def test_what_a_gateway_cannot_hold_is_refused_with_its_place(tmp_path: Path, content: Any, problem: str) -> None:
    assert problems(write(tmp_path, content))[0].startswith(problem)


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, [tool(name="1"), tool(description="")])
    assert len(problems(path)) == 2


def test_a_missing_file_is_a_problem_and_no_traceback(tmp_path: Path) -> None:
    assert "cannot be read as JSON" in problems(tmp_path / "none.json")[0]
