"""Check an adapter's folder as PEFT writes it, and pack it into the archive that SageMaker requires."""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.weights.adapter_config import AdapterConfig
from cdk_sglang.weights.adapter_rules import CONFIG_FILE, WEIGHTS_FILE, Tensor, tensor_problems
from cdk_sglang.weights.safetensors import read_header

_OPTIONAL: Final = ("added_tokens.json",)  # SGLang reads it beside the two (srt/lora/lora_config.py)
_PICKLES: Final = ("adapter_model.bin", "adapter_model.pt")
_CHUNK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class AdapterFiles:
    """A checked folder with a LoRA adapter; created by `read`.

    Attributes:
        folder: Folder of the files.
        config: Content of its `adapter_config.json`.
        weights_bytes: Size of its tensors in bytes.
    """

    folder: Path
    config: AdapterConfig
    weights_bytes: int

    @staticmethod
    def read(folder: Path) -> AdapterFiles:
        """Check a folder: both files exist, and the weights are complete and agree with the config.

        Raises:
            ConfigurationError: The folder has problems; one line each.
        """
        if not folder.is_dir():
            raise ConfigurationError([Problem(folder, "no such folder; give the one PEFT's save_pretrained wrote")])
        weights = folder / WEIGHTS_FILE
        problems = []
        if not (folder / CONFIG_FILE).is_file():
            problems.append(Problem(folder, f"holds no {CONFIG_FILE}; give the folder PEFT's save_pretrained wrote"))
        if not weights.is_file():
            pickled = next((name for name in _PICKLES if (folder / name).is_file()), None)
            problems.append(
                Problem(
                    folder,
                    f"holds no {WEIGHTS_FILE}"
                    + (
                        f" but {pickled}, a pickle that runs code when it is read; save it as safetensors"
                        if pickled
                        else ""
                    ),
                )
            )
        raise_if_any(problems)
        config = AdapterConfig.read(folder)
        header = read_header(weights)
        tensors = {name: Tensor(dtype=header.dtypes[name], shape=shape) for name, shape in header.shapes.items()}
        mismatches = tensor_problems(tensors, rank=config.rank, modules=config.target_modules)
        raise_if_any(Problem(weights, problem) for problem in mismatches)
        return AdapterFiles(folder=folder, config=config, weights_bytes=header.data_bytes)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files in the archive; checkpoints, optimizers and read-me files are left out."""
        return (CONFIG_FILE, WEIGHTS_FILE, *(name for name in _OPTIONAL if (self.folder / name).is_file()))

    def content_hash(self) -> str:
        """Return a digest of names and contents, which is the same on every machine, unlike that of a compressed archive."""
        digest = hashlib.sha256()
        for name in self.names:
            digest.update(f"{name}\0{(self.folder / name).stat().st_size}\0".encode())
            with (self.folder / name).open("rb") as stream:
                while chunk := stream.read(_CHUNK_BYTES):
                    digest.update(chunk)
        return digest.hexdigest()

    def pack(self, archive: Path) -> None:
        """Write the tar.gz for an adapter inference component: files at the top level, always the same bytes."""
        archive.parent.mkdir(parents=True, exist_ok=True)
        partial = archive.with_name(f".{archive.name}.partial")
        # Level 1: trained weights hardly compress, and SageMaker must unpack them before the adapter answers.
        with (
            partial.open("wb") as raw,
            gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=1, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for name in self.names:
                entry = tarfile.TarInfo(name)
                entry.size = (self.folder / name).stat().st_size
                entry.mode = 0o644
                with (self.folder / name).open("rb") as stream:
                    tar.addfile(entry, stream)
        partial.replace(archive)


def read_archive(archive: Path) -> AdapterConfig:
    """Check an adapter's tar.gz and return its config.

    Raises:
        ConfigurationError: The file is not a tar.gz, or lacks a file.
    """
    try:
        with tarfile.open(archive, mode="r:gz") as tar:
            names = {Path(member.name).name: member for member in tar.getmembers() if member.isfile()}
            missing = [name for name in (CONFIG_FILE, WEIGHTS_FILE) if name not in names]
            raise_if_any(Problem(archive, f"holds no {name}") for name in missing)
            config = tar.extractfile(names[CONFIG_FILE])
            text = config.read() if config is not None else b""
    except (OSError, tarfile.TarError, EOFError) as error:
        raise ConfigurationError([Problem(archive, f"is not a tar.gz archive: {error}")]) from None
    return AdapterConfig.parse(_json(text, archive), path=f"{archive}: {CONFIG_FILE}")


def _json(text: bytes, archive: Path) -> dict[str, object]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ConfigurationError([Problem(archive, f"{CONFIG_FILE}: is not JSON: {error}")]) from None
    if not isinstance(content, dict):
        raise ConfigurationError([Problem(archive, f"{CONFIG_FILE}: expected an object")])
    return content
