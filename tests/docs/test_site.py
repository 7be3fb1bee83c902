"""The site that `make docs` builds: strictly, without a network, with everything public on it."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import cdk_sglang
from cdk_sglang.cli.main import app
from tools.docs.command_page import commands

Build = Callable[[Path, Path], "subprocess.CompletedProcess[str]"]
_EXTERNAL = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//[^>]*>""")


@pytest.fixture(scope="session")
def build(root: Path) -> Build:
    """Build a site with a configuration into a folder, with no proxy and no network to ask."""

    def run(configuration: Path, target: Path) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": f"{root / 'constructs'}:{root}", "NO_MKDOCS_2_WARNING": "1"}
        environment |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
        command = ["mkdocs", "build", "--strict", "--config-file", str(configuration), "--site-dir", str(target)]
        return subprocess.run(
            [sys.executable, "-m", *command], env=environment, capture_output=True, text=True, check=False, timeout=240
        )

    return run


@pytest.fixture(scope="session")
def site(root: Path, build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(root / "mkdocs.yml", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_public_name_has_a_page_that_shows_it(site: Path) -> None:
    for name in cdk_sglang.__all__:
        page = (site / "api" / f"{name}.html").read_text(encoding="utf-8")
        assert f'id="cdk_sglang.{name}"' in page or re.search(rf'id="cdk_sglang\.[a-z_.]*{name}"', page), name


def test_methods_that_a_public_class_inherits_within_the_package_are_on_its_page_too(site: Path) -> None:
    missing = []
    for name in cdk_sglang.__all__:
        exported = getattr(cdk_sglang, name)
        if not isinstance(exported, type) or exported.__name__ != name:  # an earlier name has a line on its page
            continue
        page = (site / "api" / f"{name}.html").read_text(encoding="utf-8")
        own = [base for base in exported.__mro__ if base.__module__.startswith("cdk_sglang")]
        members = {key for base in own for key, value in dict(vars(base)).items() if _is_documented(key, value)}
        missing += [f"{name}.{member}" for member in sorted(members) if f'.{member}"' not in page]
    assert missing == []


def _is_documented(name: str, value: object) -> bool:
    code = getattr(value, "fget", None) or getattr(value, "__func__", value)
    return not name.startswith("_") and inspect.isfunction(code) and bool(code.__doc__)


def test_every_command_is_on_its_page(site: Path) -> None:
    page = (site / "cli.html").read_text(encoding="utf-8")
    assert [path for path, _ in commands(app) if f'id="{path.replace(" ", "-")}"' not in page] == []


def test_every_page_that_is_written_is_on_the_site(root: Path, site: Path) -> None:
    written = {path.relative_to(root / "docs").with_suffix(".html") for path in (root / "docs").rglob("*.md")}
    assert {path.as_posix() for path in written if not (site / path).is_file()} == set()
    assert (site / "changelog.html").is_file()
    assert (site / "examples" / "two_models.html").is_file()


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loaded = {
        tag
        for page in site.rglob("*.html")
        for tag in _EXTERNAL.findall(page.read_text(encoding="utf-8"))
        if 'rel="canonical"' not in tag
    }
    assert loaded == set()
    assert all("url(http" not in sheet.read_text(encoding="utf-8") for sheet in site.rglob("*.css"))


def test_a_broken_link_fails_the_build(root: Path, build: Build, tmp_path: Path) -> None:
    settings = yaml.safe_load((root / "mkdocs.yml").read_text(encoding="utf-8"))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Start\n\n[gone](gone.md) and [nowhere](scaling.md#nowhere)\n")
    (tmp_path / "docs" / "scaling.md").write_text("# Scaling\n")
    settings |= {
        "docs_dir": str(tmp_path / "docs"),
        "nav": ["index.md", "scaling.md"],
        "hooks": [],
        "plugins": [],
        "extra_css": [],
    }
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(settings))
    done = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert done.returncode != 0
    assert "'gone.md'" in done.stderr
    assert "'scaling.md#nowhere'" in done.stderr


@pytest.mark.parametrize("page", ["index.html", "settings.html", "api/InferenceEndpoint.html", "proof.html"])
def test_no_page_is_wider_than_a_phone(site: Path, browser: str, tmp_path: Path, page: str) -> None:
    script = "<script>onload=()=>{const e=document.documentElement;document.title=`width ${e.clientWidth} needs ${e.scrollWidth}`}</script>"
    copy = site / page.replace(".html", "-measured.html")
    copy.write_text((site / page).read_text(encoding="utf-8").replace("</body>", f"{script}</body>"))
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--hide-scrollbars",
         "--window-size=500,900", f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=3000", "--dump-dom", copy.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    copy.unlink()
    width, needed = map(int, re.findall(r"<title>width (\d+) needs (\d+)</title>", done.stdout)[0])
    assert needed <= width
