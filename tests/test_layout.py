"""The repository as a distribution: what is in it, and how it is from elsewhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cdk_sglang.cli.main import app
from tests.support.folders import CODE
from tools.check.metric_names import findings

IGNORED = shutil.ignore_patterns(
    ".git", ".venv*", "node_modules", "cdk.out*", ".*_cache", ".hypothesis", "__pycache__", "dist", ".local"
)


@pytest.fixture(scope="session")
def distributions(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build wheel and sdist from a copy of the repository, with what is installed: no network."""
    folder = tmp_path_factory.mktemp("dist")
    copy = tmp_path_factory.mktemp("source") / "repository"
    shutil.copytree(root, copy, ignore=IGNORED, symlinks=True)
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--wheel",
        "--sdist",
        "--outdir",
        str(folder),
        str(copy),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    return {"wheel": wheel, "sdist": sdist}


def _tracked(root: Path, *folders: str) -> set[str]:
    return {
        path.relative_to(root).as_posix()
        for folder in folders
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


_SUPPRESSION = re.compile(r"# (?:noqa|type: ignore)\b(?::? ?[A-Z]+[0-9]+(?:, [A-Z]+[0-9]+)*|\[[a-z, -]+\])?(.*)")


def test_few_lines_are_excused_from_linter_and_type_checker_and_each_says_why(root: Path) -> None:
    listed = sorted(path for path in _tracked(root, *CODE) if path.endswith(".py"))
    excused = [
        (path, line, found[1].strip(" #-(,:;."))
        for path in ("app.py", *listed)
        if path != "tests/test_layout.py"
        for line in (root / path).read_text(encoding="utf-8").splitlines()
        if (found := _SUPPRESSION.search(line))
    ]
    assert [(path, line.strip()) for path, line, reason in excused if not reason] == []
    assert len(excused) < 100


def test_constructs_is_never_a_package(root: Path) -> None:
    assert not (root / "constructs" / "__init__.py").exists(), "it would shadow PyPI's constructs: docs/adr/0001"


def test_constructs_and_the_library_are_where_they_belong() -> None:
    import constructs

    import cdk_sglang

    assert constructs.__file__ is not None
    assert "site-packages" in constructs.__file__
    assert Path(cdk_sglang.__file__).parent.parent.name == "constructs"


def test_the_wheel_holds_the_library_its_data_and_the_container(root: Path, distributions: dict[str, Path]) -> None:
    names = set(zipfile.ZipFile(distributions["wheel"]).namelist())
    library = {name.removeprefix("constructs/") for name in _tracked(root, "constructs/cdk_sglang")}
    assert library - names == set()
    assert {name for name in library if name.endswith((".csv", ".json"))}, "no data files were found to look for"
    container = {name.replace("container/", "cdk_sglang/_container/", 1) for name in _tracked(root, "container")}
    assert container
    assert container - names == set()
    assert {"cdk_sglang/_docs/mcp.md", "cdk_sglang/_environments/schema.json"} - names == set(), (
        "resources of cdk-sglang mcp"
    )


def test_the_wheel_holds_nothing_of_the_app(distributions: dict[str, Path]) -> None:
    names = zipfile.ZipFile(distributions["wheel"]).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"cdk_sglang"}


def test_the_sdist_holds_what_the_wheel_is_built_from(root: Path, distributions: dict[str, Path]) -> None:
    with tarfile.open(distributions["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    sources = _tracked(root, "constructs/cdk_sglang", "container") | {"pyproject.toml", "README.md", "LICENSE"}
    assert sources - names == set()


@pytest.fixture(scope="session")
def elsewhere(distributions: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the python of a fresh environment with the wheel, and this one's packages without the project itself."""
    folder = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
    python = folder / "bin" / "python"
    (site,) = (folder / "lib").glob("python*/site-packages")
    # A path in a .pth is searched after this environment's own packages, and no .pth inside it is read: the editable install
    # of the project is not found there.
    (here,) = {path for path in map(Path, sys.path) if path.name == "site-packages" and (path / "aws_cdk").is_dir()}
    (site / "dependencies.pth").write_text(f"{here}\n")
    install = ["install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), *install, str(distributions["wheel"])],
        check=True,
        timeout=120,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )
    return python


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def other_app(root: Path, elsewhere: Path, tmp_path: Path) -> Run:
    """Run a file of an example inside an app that has folders of its own called `constructs` and `stacks`."""
    for name in ("constructs", "stacks"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "decoy.py").write_text("raise RuntimeError('a file of the app was taken for a library')\n")
    shutil.copy(root / "examples" / "two_models" / "app.py", tmp_path)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}}
        return subprocess.run(
            [elsewhere, *arguments],
            cwd=tmp_path,
            env={**environment, "CDK_OUTDIR": str(tmp_path / "cdk.out")},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    return run


def test_an_app_elsewhere_synthesises_two_models_in_25_lines(root: Path, other_app: Run, tmp_path: Path) -> None:
    lines = (root / "examples" / "two_models" / "app.py").read_text().splitlines()
    assert len(lines) <= 25
    done = other_app("app.py")
    assert (done.returncode, done.stderr) == (0, "")
    template: dict[str, Any] = json.loads((tmp_path / "cdk.out" / "Assistants.template.json").read_text())
    assert list(findings(template)) == []
    components = [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::SageMaker::InferenceComponent"
    ]
    bounds = {
        component["InferenceComponentName"].rpartition("-")[2]: (
            component["Specification"]["ComputeResourceRequirements"]["NumberOfAcceleratorDevicesRequired"],
            component["RuntimeConfig"]["CopyCount"],
        )
        for component in components
    }
    assert bounds == {"llama": (1, 2), "oss": (2, 1)}


def test_elsewhere_the_wheels_own_files_are_used(other_app: Run) -> None:
    code = (
        "import cdk_sglang, constructs, pathlib, sys;"
        "print(pathlib.Path(cdk_sglang.__file__).is_relative_to(sys.prefix), hasattr(constructs, 'Construct'));"
        "from cdk_sglang import GpuInstance; print(len(GpuInstance.all()));"
        "import importlib.util as u; print(u.find_spec('stacks').origin)"
    )
    done = other_app("-c", code)
    assert done.returncode == 0, done.stderr
    own, instances, stacks = done.stdout.split("\n")[:3]
    assert own == "True True"
    assert int(instances) > 30
    assert stacks == "None", "stacks is the app's own folder, not ours"


@pytest.fixture
def installed(root: Path, elsewhere: Path, tmp_path: Path) -> Run:
    """Run an installed program in a folder of environments, where a folder `stacks` is somebody else's."""
    (tmp_path / "environments").mkdir()
    for name in ("dev", "prod"):
        shutil.copy(root / "environments" / f"{name}.yaml", tmp_path / "environments")
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "planning.py").write_text(
        "raise RuntimeError('a file of the app was taken for the library')\n"
    )

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if key.partition("_")[0] not in {"AWS", "CDK"}}
        kept.pop("PYTHONPATH", None)
        return subprocess.run(
            [elsewhere.with_name(program), *arguments],
            cwd=tmp_path,
            env={**kept, "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    return run


def test_the_installed_program_plans_an_environment_as_the_checkout_does(
    root: Path, installed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = installed("cdk-sglang", "plan", "--env", "prod", "--json", "--html", "plan.html")
    monkeypatch.chdir(root)
    here = CliRunner().invoke(app, ["plan", "--env", "prod", "--json", "--html", str(tmp_path / "here.html")])
    assert (done.returncode, done.stdout, done.stderr) == (0, here.stdout, here.stderr)
    assert json.loads(done.stdout)["endpoints"][0]["instance"] == "ml.p5en.48xlarge"
    pages = [(tmp_path / name).read_text() for name in ("plan.html", "here.html")]
    assert all("/planner.md#cost" in page for page in pages)  # each with the documents beside its package
    assert re.sub(r'href="[^"#]*/', 'href="', pages[0]) == re.sub(r'href="[^"#]*/', 'href="', pages[1])


WITHOUT_EXTRAS = """
import json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"boto3", "botocore", "openai", "duckdb", "mcp", "grafana_foundation_sdk"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from cdk_sglang.cli.entry import main
from cdk_sglang.cli.mcp.call import call
from cdk_sglang.cli.mcp.workspace import Workspace

INIT = "init --env mine --model Qwen/Qwen3-8B --users 20 --instance ml.g6e.2xlarge"
for words in (INIT, "plan --env mine", "show --env mine", "deploy --env mine", "status --env dev", "bench clean"):
    sys.argv = ["cdk-sglang", *words.split()]
    try:
        main()
    except SystemExit as ended:
        print(words.split()[0], ended.code or 0, file=sys.stderr)
for name in ("check_environment", "diff_environment"):
    print(json.dumps(call(name, {"environment": "mine"}, Workspace.current()).content))
"""


def test_installed_without_any_extra_it_plans_what_it_writes_and_a_command_that_needs_more_says_so_in_a_line(
    installed: Run, tmp_path: Path
) -> None:
    done = installed("python", "-P", "-c", WITHOUT_EXTRAS)
    assert done.returncode == 0, done.stderr
    folder = (tmp_path / "environments").resolve()
    assert f"in a checkout of cdk-sglang: cdk-sglang deploy --env mine --environments {folder}" in done.stdout
    messages = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert messages[:3] == ["init 0", "plan 0", "show 0"]
    assert messages[3].startswith(
        "deploy: this folder holds no app (no cdk.json), and the stacks are made by one; run it in"
    )
    assert messages[4:] == [
        "deploy 2",
        "status: needs botocore; pip install 'cdk-sglang[client]'",
        "status 2",
        "this command needs botocore; pip install 'cdk-sglang[client]'",
        "bench 2",
    ]
    checked, compared = map(json.loads, done.stdout.splitlines()[-2:])
    assert (checked["may_be_deployed"], checked["endpoints"][0]["instance_types"]) == (True, ["ml.g6e.2xlarge"])
    assert [problem["path"] for problem in compared["problems"]] == ["diff"]


def test_the_editable_install_finds_the_checkout_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "constructs").mkdir()
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import cdk_sglang.errors, constructs; print(cdk_sglang.__path__[0], constructs.__file__)",
        ],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=True,
    )
    library, constructs = map(Path, done.stdout.split())
    assert library.parts[-2:] == ("constructs", "cdk_sglang")
    assert (library.parents[1] / "pyproject.toml").is_file()
    assert "site-packages" in constructs.parts


def test_no_test_folder_is_a_package(root: Path) -> None:
    assert list((root / "tests").rglob("__init__.py")) == []
