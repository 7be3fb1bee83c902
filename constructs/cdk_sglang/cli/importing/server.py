"""The container's variables as an environment file states them: SGLang's options as `server`, the others as `environment`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cdk_sglang.cli.importing.notes import Notes
from cdk_sglang.cli.importing.weights import MODEL_PATH_VARIABLES
from cdk_sglang.engine import SglangOptions, environment_problems
from cdk_sglang.engine.parsing import parse
from cdk_sglang.engine.rendering import PREFIX
from cdk_sglang.spec.image_facts import ImageFacts

_SHOWN_MAX: Final = 40
_OF_THE_MODEL: Final = frozenset({*MODEL_PATH_VARIABLES, f"{PREFIX}REVISION"})
_WE_SET: Final = frozenset({f"{PREFIX}HOST", f"{PREFIX}PORT"})
"""Variables whose usual values the entry scripts set anyway."""
_DRAFT_PATH: Final = f"{PREFIX}SPECULATIVE_DRAFT_MODEL_PATH"
_METRICS: Final = "enable_metrics"


@dataclass(frozen=True, kw_only=True)
class ImportedServer:
    """Variables as a file states them.

    Attributes:
        server: The key `server`.
        environment: The key `environment`.
        options: What `server` stands for.
    """

    server: Mapping[str, Any]
    environment: Mapping[str, str]
    options: SglangOptions


def imported_server(
    variables: Mapping[str, str], *, where: str, image: ImageFacts, is_ours: bool, notes: Notes
) -> ImportedServer:
    """Return variables as a file states them.

    Args:
        variables: The container's environment.
        where: Path of the component in the file.
        image: Image of the endpoint.
        is_ours: Whether this library created the endpoint: then nothing is left to our defaults.
        notes: What a reader must know.
    """
    known = {name: value for name, value in variables.items() if name not in _OF_THE_MODEL}
    parsed = parse(known, sglang_version=image.sglang_version)
    for variable, why in parsed.left.items():
        if variable not in _WE_SET or why:
            notes.lost(f"{where}.server", _shown(variable, known[variable]), f"nothing: {why}")
    fields = SglangOptions.model_fields
    server = {name: value for name, value in parsed.server.items() if value != fields[name].default}
    if server.get(_METRICS) is False and not is_ours:
        del server[_METRICS]
        notes.changed(f"{where}.server.{_METRICS}", "off", "on: dashboards and alarms read them")
    if _DRAFT_PATH in known and is_ours:
        notes.comment(
            f"{where}.server",
            "Speculative decoding as it is served now; a draft of `speculative:` is none of these options.",
        )
    others = {name: value for name, value in known.items() if not name.startswith(PREFIX)}
    refused = {
        problem.path.rpartition(".")[2]: problem.text
        for problem in environment_problems(others, f"{where}.environment")
    }
    for name, why in refused.items():
        if name in others:  # its value is never shown: it may be a secret
            notes.lost(f"{where}.environment.{name}", "set", f"not copied: {why}")
    kept = {name: value for name, value in sorted(others.items()) if name not in refused}
    return ImportedServer(server=server, environment=kept, options=SglangOptions(**server))


def _shown(variable: str, value: str) -> str:
    text = " ".join(value.split())
    return f"{variable}={text if len(text) <= _SHOWN_MAX else f'{text[: _SHOWN_MAX - 1]}…'}"
