"""Options that several commands of `cdk-sglang bench` take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Api = Annotated[
    str, typer.Option(help="SageMaker's API: openai, or streaming through a relay that signs the requests.")
]
History = Annotated[
    str | None, typer.Option(help="Folder or s3://bucket/prefix of results; .bench/history by default.")
]
Aiperf = Annotated[Path | None, typer.Option(help="AIPerf's executable; that of `make bench-tools` by default.")]
Tokenizer = Annotated[
    str | None, typer.Option(help="Tokenizer, a folder or Hugging Face repository; that of the weights by default.")
]
