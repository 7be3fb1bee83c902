"""`cdk-sglang adapters`: check a LoRA adapter's folder with the rules of the constructs, and pack it for SageMaker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cdk_sglang.cli.output import stdout
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.weights import AdapterConfig, AdapterFiles
from cdk_sglang.weights.adapter_files import read_archive

app = typer.Typer(help="LoRA adapters: check and pack.", no_args_is_help=True)

_SHORT = 12


@app.command("pack")
def pack(
    folder: Annotated[Path, typer.Argument(help="Folder that PEFT's save_pretrained wrote.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The archive; <folder>-<content>.tar.gz here by default.")
    ] = None,
) -> None:
    """Check an adapter and write the tar.gz for `AdapterSource.from_s3`; a hash of the content is part of its name."""
    files = AdapterFiles.read(folder)
    archive = output or Path(f"{folder.resolve().name}-{files.content_hash()[:_SHORT]}.tar.gz")
    if not archive.name.endswith(".tar.gz"):
        raise ConfigurationError(
            [Problem("--output", f"{str(archive)!r} does not end in .tar.gz, which SageMaker requires; rename it")]
        )
    files.pack(archive)
    stdout().print(f"{archive}: {_facts(files.config)}", soft_wrap=True)


@app.command("show")
def show(
    path: Annotated[Path, typer.Argument(help="Folder of an adapter, or a tar.gz.")],
    max_rank: Annotated[int | None, typer.Option("--max-rank", help="The component's server.lora.max_rank.")] = None,
    target_modules: Annotated[
        list[str] | None, typer.Option("--target-module", help="One of the component's server.lora.target_modules.")
    ] = None,
) -> None:
    """Print an adapter's rank, modules and base model, and whether a component with these LoRA settings can serve it."""
    config = AdapterFiles.read(path).config if path.is_dir() else read_archive(path)
    stdout().print(f"{path}: {_facts(config)}", soft_wrap=True)
    problems = config.problems(str(path), max_rank=max_rank, server_modules=target_modules or None)
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)


def _facts(config: AdapterConfig) -> str:
    modules = ", ".join(sorted(config.target_modules))
    return f"rank {config.rank}; modules {modules}; trained on {config.base_model or 'an unnamed base'}"
