"""Which Region a command asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdk_sglang.cli.region import region_of


def test_the_region_of_the_environments_file_is_asked_unless_the_user_gives_one(tmp_path: Path) -> None:
    (tmp_path / "prod.yaml").write_text("region: eu-west-1\nendpoints: {}\n")
    assert region_of("prod", None, folder=tmp_path) == "eu-west-1"
    assert region_of("prod", "us-east-1", folder=tmp_path) == "us-east-1"


@pytest.mark.parametrize(
    "content", [None, "endpoints: {}", "region: 7", "[]", "{", "\x00", "region: !python/object:x {}"]
)
def test_without_a_region_in_a_readable_file_the_aws_settings_decide(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "prod.yaml").write_text(content)
    assert region_of("prod", None, folder=tmp_path) is None
    assert region_of(None, None, folder=tmp_path) is None
