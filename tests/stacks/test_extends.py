"""Environments that share: `extends`, its one rule, and whose file a mistake is in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cdk_sglang.cli.main import app
from cdk_sglang.cli.region import region_of
from cdk_sglang.environments.layers import read_layers
from cdk_sglang.environments.reading import load, parse
from cdk_sglang.errors import ConfigurationError

BASE = """\
region: us-east-1
tags: {cost-centre: ml, team: chat}
network: {vpc: create, availability_zones: [us-east-1a, us-east-1b]}
endpoints:
  chat:
    capacity: {type: ml.g6e.2xlarge, max_instances: 1}
    components:
      llama:
        model: {id: meta-llama/Llama-3.2-3B-Instruct, prefix: weights/llama/}
        server: {context_length: 16384}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(BASE)
    return tmp_path


def write(folder: Path, text: str, name: str = "prod") -> None:
    (folder / f"{name}.yaml").write_text(text)


def problems(folder: Path, name: str = "prod") -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(name, folder=folder)
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


def merged(folder: Path, name: str = "prod") -> dict[str, Any]:
    path = folder / f"{name}.yaml"
    return read_layers(path, folder=folder, read=lambda file: yaml.safe_load(file.read_text())).merged


def test_mappings_are_merged_key_by_key_and_anything_else_replaces(folder: Path) -> None:
    write(
        folder,
        "extends: base.yaml\n"
        "tags: {team: prod}\n"
        "network: {availability_zones: [us-east-1c, us-east-1d]}\n"
        "endpoints: {chat: {capacity: {max_instances: 4}, components: {llama: {scaling: {min_copies: 1, max_copies: 4}}}}}\n",
    )
    settings = load("prod", folder=folder)
    assert settings.tags == {"cost-centre": "ml", "team": "prod"}
    assert settings.network.availability_zones == ("us-east-1c", "us-east-1d")
    endpoint = settings.endpoints["chat"]
    assert endpoint.capacity.upper_bound == 4
    assert endpoint.components["llama"].server.context_length == 16384
    assert load("base", folder=folder).endpoints["chat"].capacity.upper_bound == 1


def test_null_takes_a_key_away(folder: Path) -> None:
    pool = "{type: null, pool: [ml.g6e.12xlarge, ml.g6e.24xlarge]}"
    write(
        folder,
        f"extends: base.yaml\nnetwork: {{availability_zones: null}}\nendpoints: {{chat: {{capacity: {pool}}}}}\n",
    )
    settings = load("prod", folder=folder)
    assert settings.network.availability_zones is None
    assert len(settings.endpoints["chat"].capacity.pool_types or ()) == 2


def test_files_may_extend_files_that_extend(folder: Path) -> None:
    (folder / "shared").mkdir()
    write(folder, "extends: base.yaml\ntags: {stage: any}\n", "shared/stage")
    write(folder, "extends: shared/stage.yaml\nregion: us-west-2\nnetwork: {availability_zones: null}\n")
    settings = load("prod", folder=folder)
    assert (settings.region, settings.tags) == ("us-west-2", {"cost-centre": "ml", "team": "chat", "stage": "any"})
    assert region_of("prod", None, folder=folder) == "us-west-2"
    write(folder, "extends: base.yaml\n", "like-base")
    assert region_of("like-base", None, folder=folder) == "us-east-1"


def test_a_mistake_names_the_file_that_has_it(folder: Path) -> None:
    write(folder, BASE.replace("16384", "none"), "base")
    write(folder, "extends: base.yaml\nendpoints: {chat: {capacity: {max_instances: 0}}}\nbudget: 3\n")
    found = problems(folder)
    assert [problem.split(": ")[:2] for problem in found] == [
        ["prod.yaml", "endpoints.chat.capacity.max_instances"],
        ["base.yaml", "endpoints.chat.components.llama.server.context_length"],
        ["prod.yaml", "budget"],
    ]


@pytest.mark.parametrize(
    ("extends", "says"),
    [
        ("none.yaml", "extends: no such file: none.yaml; there are base.yaml"),
        ("../base.yaml", "extends: '../base.yaml' is outside of "),
        ("prod.yaml", "extends: 'prod.yaml' extends a file that extends this one; break the cycle"),
        ("[base.yaml]", "extends: ['base.yaml'] is not a file name; use for example base.yaml"),
    ],
)
def test_a_file_that_cannot_be_extended_is_a_line(folder: Path, extends: str, says: str) -> None:
    write(folder, f"extends: {extends}\n")
    (problem,) = problems(folder)
    assert problem.startswith(f"prod.yaml: {says}")


def test_what_is_extended_has_to_be_settings(folder: Path) -> None:
    write(folder, "- 1\n", "base")
    write(folder, "extends: base.yaml\n")
    assert problems(folder) == ["base.yaml: prod.yaml extends it, and it is not a mapping of settings"]


def test_too_many_files_on_end_are_refused(folder: Path) -> None:
    for number in range(9):
        write(folder, f"extends: {f'f{number - 1}' if number else 'base'}.yaml\n", f"f{number}")
    assert problems(folder, "f8") == ["f1.yaml: extends: more than 8 files extend each other in a row; use fewer"]


def test_text_without_a_folder_cannot_extend() -> None:
    with pytest.raises(ConfigurationError, match="extends: is supported only for an environment"):
        parse(f"extends: base.yaml\n{BASE}", source="text")


def test_show_prints_what_is_deployed(folder: Path) -> None:
    write(folder, "extends: base.yaml\ntags: {team: prod}\n")
    shown = CliRunner().invoke(app, ["show", "--env", "prod", "--environments", str(folder)])
    assert shown.exit_code == 0, shown.exception
    assert shown.output.startswith(f"# {folder}/prod.yaml, over {folder}/base.yaml\n")
    assert yaml.safe_load(shown.output) == merged(folder)
    assert "extends" not in shown.output
