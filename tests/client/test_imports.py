"""What importing costs, and needs: a caller of endpoints has no CDK."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_client_needs_no_cdk_and_no_node() -> None:
    code = (
        "import sys; from cdk_sglang.client import InferenceClient, Route, Wait, ProgressLine;"
        "heavy = {'aws_cdk', 'jsii', 'constructs', 'openai', 'sagemaker', 'numpy', 'pydantic'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert run(code) == "[]"


def test_the_openai_side_needs_no_cdk_either() -> None:
    code = (
        "import sys; from cdk_sglang.client import openai_client;"
        "print(sorted({'aws_cdk', 'jsii', 'constructs', 'sagemaker'} & set(sys.modules)))"
    )
    assert run(code) == "[]"


def test_without_the_extra_the_error_says_how_to_install_it() -> None:
    code = (
        "import sys; sys.modules['openai'] = None\n"
        "from cdk_sglang.client import InferenceClient\n"
        "try:\n    from cdk_sglang.client import openai_client\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    assert run(code) == "openai_client needs openai: pip install 'cdk-sglang[client]'"


ALIASES = {"OnProgress", "NoTruthCheck", "TruthCheck", "EagleOptimization"}
"""Public names of what calls itself otherwise."""


@pytest.mark.parametrize("package", ["cdk_sglang", "cdk_sglang.client"])
def test_public_names_stand_the_same_in_all_three_lists(root: Path, package: str) -> None:
    """`__all__`, the imports that type checkers read, and the homes that names are fetched from."""
    module = __import__(package, fromlist=["__all__"])
    prefix = "cdk_sglang." if package == "cdk_sglang" else "cdk_sglang.client."
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    typed = {
        (str(node.module).removeprefix(prefix), alias.name)
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert {(home, name) for home, names in module._HOMES.items() for name in names} == typed
    assert sorted(module.__all__) == sorted(name for _, name in typed)
    for name in module.__all__:
        assert getattr(module, name).__name__ == name or name in ALIASES
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = module.Nothing
