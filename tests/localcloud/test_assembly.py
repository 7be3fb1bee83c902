"""When `make local` may keep the templates of an earlier run."""

from pathlib import Path

import pytest

from localcloud.assembly import digest, refresh

ENVIRONMENT = "account: '123456789012'\nmodel: weights/own\nnote: ''\nwhere: /\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    for name in ("environments", "constructs/cdk_sglang", "stacks", "container", "weights/own", "docs"):
        (root / name).mkdir(parents=True)
    (root / "environments/local.yaml").write_text(ENVIRONMENT)
    for name in ("app.py", "constructs/cdk_sglang/a.py", "weights/own/adapter_config.json", "docs/a.md"):
        (root / name).write_text("first")
    return root


@pytest.mark.parametrize(
    "changed",
    ["app.py", "cdk.context.json", "constructs/cdk_sglang/b.py", "environments/models.yaml", "weights/own/adapter_config.json"],
)  # fmt: skip
def test_templates_are_made_again_once_something_changes_that_they_are_made_of(checkout: Path, changed: str) -> None:
    runs: list[int] = []
    assembly = checkout / ".local"

    def synth() -> None:
        assembly.mkdir()
        runs.append(1)

    refresh(assembly, root=checkout, synth=synth)
    refresh(assembly, root=checkout, synth=synth)
    assert len(runs) == 1
    (checkout / changed).write_text("second")
    refresh(assembly, root=checkout, synth=synth)
    assert len(runs) == 2


def test_templates_are_made_again_after_a_synth_that_failed(checkout: Path) -> None:
    assembly = checkout / ".local"

    def broken() -> None:
        assembly.mkdir()
        (assembly / "manifest.json").write_text("{}")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        refresh(assembly, root=checkout, synth=broken)
    runs: list[int] = []
    refresh(assembly, root=checkout, synth=lambda: (runs.append(1), assembly.mkdir()))
    assert runs == [1]


def test_what_the_app_does_not_read_changes_nothing(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest(checkout)
    (checkout / "docs/a.md").write_text("second")
    cache = checkout / "constructs/cdk_sglang/__pycache__"
    cache.mkdir()
    (cache / "a.pyc").write_bytes(b"x")
    assert digest(checkout) == before
    monkeypatch.setenv("CDK_VALIDATION", "other")
    assert digest(checkout) != before


@pytest.mark.parametrize("content", [b"a: [", b"\xff", b"- [x, {y: z}]", b"a: '" + b"x" * 5000 + b"'"])
def test_an_environment_that_cannot_be_read_is_left_to_the_app(checkout: Path, content: bytes) -> None:
    before = digest(checkout)
    (checkout / "environments/local.yaml").write_bytes(content)
    assert digest(checkout) != before
