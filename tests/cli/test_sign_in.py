"""What a user without credentials is told to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import NoCredentialsError

from cdk_sglang.cli.aws import reason_of


def test_who_has_no_credentials_is_sent_to_sign_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert reason_of("sagemaker:ListEndpoints", NoCredentialsError()).text.endswith("or set AWS_PROFILE")


def test_the_credentials_of_make_local_are_named_where_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".local" / "state").mkdir(parents=True)
    (tmp_path / ".local" / "state" / "credentials.sh").touch()
    monkeypatch.chdir(tmp_path)
    text = reason_of("sagemaker:ListEndpoints", NoCredentialsError()).text
    assert text.endswith("; for `make local`: source .local/state/credentials.sh")
