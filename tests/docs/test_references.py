"""The generated references: nothing public is left undescribed, and the same sources give the same text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import griffe
import pytest
import typer

from cdk_sglang.cli.main import app
from tests.docs.blocks import ROOT
from tools.docs import undocumented
from tools.docs.command_page import command_page, commands, undescribed_options
from tools.docs.links import relinked
from tools.docs.public import gaps
from tools.docs.settings_page import reachable, settings_page, undescribed_fields

SCHEMA = json.loads((ROOT / "environments" / "schema.json").read_text(encoding="utf-8"))
PLANTED = '''
class Kept:
    """A class.

    Args:
        described: It is.
    """

    def __init__(self, described: int, forgotten: int) -> None:
        """Make one."""

    def method(self, one: int) -> None:
        """Do something."""

    def silent(self) -> None: ...
'''


def test_everything_public_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    code = undocumented.main()
    assert capsys.readouterr().err == ""
    assert code == 0


def test_a_name_a_parameter_and_a_method_without_description_are_found() -> None:
    module = griffe.visit("planted", filepath=Path("planted.py"), code=PLANTED, docstring_parser=griffe.Parser.google)
    assert list(gaps("Kept", module["Kept"])) == [
        "Kept(forgotten): no description",
        "Kept.method(one): no description",
        "Kept.silent: no docstring",
    ]


def test_a_field_without_description_is_found() -> None:
    schema: dict[str, Any] = {
        "description": "Whole.",
        "properties": {
            "a": {"$ref": "#/$defs/A"},
            "c": {"$ref": "#/$defs/C"},
            "b": {"type": "integer", "description": "Said."},
        },
        "$defs": {"A": {"properties": {}}, "C": {"description": "Its own."}},
    }
    assert undescribed_fields(schema) == ["A", "Environment.a"]


def test_a_command_and_an_option_without_help_are_found() -> None:
    application = typer.Typer()

    @application.command("one")
    def _one(*, flag: bool = False) -> None:
        pass

    @application.command("two")
    def _two(name: Annotated[str, typer.Argument(help="A name.")]) -> None:
        """Do two."""

    assert undescribed_options(application) == ["cdk-sglang", "cdk-sglang one", "cdk-sglang one --flag, --no-flag"]


def test_the_settings_page_has_every_type_and_field() -> None:
    page = settings_page(SCHEMA)
    assert set(reachable(SCHEMA)) == set(SCHEMA["$defs"])
    for name, content in {"Environment": SCHEMA, **SCHEMA["$defs"]}.items():
        section = page.partition(f"## {name} {{")[2].partition("\n## ")[0]
        for field in content["properties"]:
            assert f"<code>{field.replace('_', '&#95;')}</code>" in section, f"{name}.{field}"


def test_bounds_choices_and_defaults_are_shown() -> None:
    schema = {
        "properties": {
            "count": {"type": "integer", "minimum": 1, "maximum": 8, "default": 2, "description": "How | many."},
            "kind": {"enum": ["a", "b"], "description": "Which."},
            "name": {"anyOf": [{"type": "string", "pattern": "^a*$"}, {"type": "null"}], "default": None, "description": "Who."},
        },
        "required": ["kind"],
    }  # fmt: skip
    rows = [line for line in settings_page(schema).splitlines() if line.startswith("| <code>")]
    assert rows == [
        "| <code>count</code> | integer | <code>2</code> | at least <code>1</code>; at most <code>8</code> | How &#124; many. |",
        "| <code>kind</code> | <code>a</code> or <code>b</code> | *required* |  | Which. |",
        "| <code>name</code> | string |  | matches <code>^a&#42;$</code> | Who. |",
    ]


def test_the_pages_follow_from_their_sources_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    page = command_page(app)
    monkeypatch.setenv("HF_ENDPOINT", "https://elsewhere")
    monkeypatch.setenv("COLUMNS", "40")
    assert command_page(app) == page
    assert settings_page(SCHEMA) == settings_page(json.loads(json.dumps(SCHEMA)))


def test_every_option_of_a_command_is_shown_with_its_type_and_help() -> None:
    section = command_page(app).partition("### cdk-sglang ask\n")[2].partition("\n###")[0]
    assert "| <code>--max-tokens</code> | integer, at least 1 | <code>256</code> |" in section
    section = command_page(app).partition("### cdk-sglang models show\n")[2].partition("\n###")[0]
    assert "| <code>MODEL</code> | text | *required* | Id in the catalogue. |" in section


def test_links_into_the_repository_become_links_into_the_site() -> None:
    places = {"CHANGELOG.md": "changelog.md", "docs/scaling.md": "scaling.md"}
    text = "[a](../CHANGELOG.md) [b](scaling.md#zero) [c](https://x.org) [d](#here) [e](gone.md)\n```text\n[a](../CHANGELOG.md)\n```\n"
    assert relinked(text, origin="docs/adr.md", page="adr/index.md", target=places.get) == (
        "[a](../changelog.md) [b](../scaling.md#zero) [c](https://x.org) [d](#here) [e](gone.md)\n```text\n[a](../CHANGELOG.md)\n```\n"
    )


def test_the_commands_of_the_proof_exist() -> None:
    text = (ROOT / "docs" / "proof.md").read_text(encoding="utf-8")
    shown = [
        command for line in text.splitlines() if line.startswith("| ") for command in re.findall(r"`([^`]+)`", line)
    ]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    known = {path for path, _ in commands(app)}
    unknown = []
    for command in shown:
        program, _, rest = command.partition(" ")
        if program == "make":
            words = [f"$({word.partition('=')[0]})" if "=" in word else word for word in rest.split()]
            unknown += [command for word in words if word not in (makefile if word.startswith("$") else targets)]
        elif program in {"pytest", "python"}:
            unknown += [part for part in rest.split() if "/" in part and not (ROOT / part).exists()]
        elif program == "cdk-sglang":
            unknown += [] if any(command.startswith(path) for path in known - {"cdk-sglang"}) else [command]
    assert unknown == []
    assert sum(command.startswith(("pytest", "python", "make", "cdk-sglang")) for command in shown) > 25


def test_every_table_of_the_documentation_has_a_heading() -> None:
    """Without one, and without an empty line before it, the rows are shown as text."""
    broken = []
    for page in sorted((ROOT / "docs").rglob("*.md")):
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        lines = ["", *text.splitlines(), ""]
        for before, first, second in zip(lines, lines[1:], lines[2:], strict=False):
            is_first = first.startswith("|") and not before.startswith("|")
            if is_first and (before.strip() or not re.fullmatch(r"\|[-:| ]+\|", second.strip())):
                broken.append(f"{page.name}: {first[:60]}")
    assert broken == []
