"""The model of a running container: its files in S3, or the hub that it downloads from, as an environment file states them."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cdk_sglang.cli.importing.notes import Notes
from cdk_sglang.engine.rendering import PREFIX
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.models.facts import ModelFacts
from cdk_sglang.models.known_models import all_models, catalogue
from cdk_sglang.spec.model import uri_mistakes
from cdk_sglang.spec.s3 import place_of

MODEL_PATH_VARIABLES: Final = (f"{PREFIX}MODEL_PATH", f"{PREFIX}MODEL", "HF_MODEL_ID")
"""Variables that name what the container loads, the first of which is set wins."""
_REVISION: Final = f"{PREFIX}REVISION"
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_WEIGHTS_BUCKET: Final = "weights-bucket"
"""Name under which the foundation of an environment publishes its bucket (stacks/foundation.py)."""
_STAGED: Final = re.compile(r"weights/(?P<repository>[^/]+/[^/]+)/(?P<revision>[0-9a-f]{40})/")
_PROMOTED: Final = re.compile(r"speculative/[^/]+/versions/(?P<version>[^/]+)/")
"""Model and draft of a version that a pipeline promoted (serving/shared/drafts.py)."""
_NAMELESS: Final = "model"


@dataclass(frozen=True, kw_only=True)
class ImportedModel:
    """A model as a file states it.

    Attributes:
        content: The key `model`.
        facts: What is known of it; None if nothing.
    """

    content: Mapping[str, Any]
    facts: ModelFacts | None

    @property
    def weights_bytes(self) -> float | None:
        """Size of the weights in bytes, in whole MiB as an app expects; None if unknown."""
        if self.facts is None:
            return None
        mib = max(1, round(self.facts.weights_gib * 1024))
        return float(mib * 2**20)


def imported_model(
    container: Mapping[str, Any],
    *,
    where: str,
    parameters: Mapping[str, str],
    own: Sequence[ModelFacts],
    notes: Notes,
) -> ImportedModel:
    """Return a model as a file states it.

    Args:
        container: Definition of the container: environment and data of the model.
        where: Path of the component in the file.
        parameters: Values of the environment's foundation, if it has one.
        own: The user's own models.
        notes: What a reader must know.
    """
    environment, path = container.get("Environment") or {}, f"{where}.model"
    source = (container.get("ModelDataSource") or {}).get("S3DataSource") or {}
    uri = source.get("S3Uri") or container.get("ModelDataUrl")
    name = next((environment[one] for one in MODEL_PATH_VARIABLES if environment.get(one)), "")
    hub = name if _REPOSITORY.fullmatch(name) else ""
    if container.get("AdditionalModelDataSources"):
        channels = ", ".join(one["ChannelName"] for one in container["AdditionalModelDataSources"])
        notes.lost(path, f"further model data: {channels}", "none; put the files below the model's prefix")
    if not uri:
        return _from_hub(hub, environment, path=path, own=own, notes=notes)
    packed = source.get("CompressionType") == "Gzip" or (not source and bool(container.get("ModelDataUrl")))
    if source.get("S3DataType") == "S3Object" or packed or uri.endswith((".tar.gz", ".tgz")):
        place = re.sub(r"\.(tar\.gz|tgz)$", "", uri).rstrip("/") + "/"
        notes.lost(path, f"the archive {uri}", f"files below {place}; unpack it there first")
        notes.comment(path, "An archive now; the files go below this prefix, unpacked: it saves minutes at each start.")
        uri = place
    return _from_s3(uri, hub, path=path, parameters=parameters, own=own, notes=notes)


def _from_hub(
    hub: str, environment: Mapping[str, str], *, path: str, own: Sequence[ModelFacts], notes: Notes
) -> ImportedModel:
    revision = environment.get(_REVISION, "")
    facts = _known([hub], own)
    if not hub:
        notes.lost(path, "no model data, and no repository in the variables", f"files below weights/{_NAMELESS}/")
        return ImportedModel(content={"prefix": f"weights/{_NAMELESS}/"}, facts=None)
    if _COMMIT.fullmatch(revision):
        notes.changed(path, f"{hub} from Hugging Face at each start", "copied once into the environment's bucket")
        return ImportedModel(content={"hugging_face": hub, "revision": revision}, facts=facts)
    notes.changed(
        path,
        f"{hub} from Hugging Face at each start, {revision or 'no revision'}",
        f"files below weights/{hub}/ of the environment's bucket, uploaded once",
    )
    notes.comment(path, "Or hugging_face: with the revision, a commit, which the first deployment copies.")
    content: dict[str, Any] = {} if facts is None else {"id": facts.id}
    return ImportedModel(content={**content, "prefix": f"weights/{hub}/"}, facts=facts)


def _from_s3(
    uri: str, hub: str, *, path: str, parameters: Mapping[str, str], own: Sequence[ModelFacts], notes: Notes
) -> ImportedModel:
    place = place_of(uri)
    if place is not None and place.bucket == parameters.get(_WEIGHTS_BUCKET):
        staged = _STAGED.fullmatch(place.key)
        if staged is not None:
            facts = _known([staged["repository"]], own)
            content = {"hugging_face": staged["repository"], "revision": staged["revision"]}
            notes.lost(path, "perhaps token_secret, include and exclude", "none: they are used while copying alone")
            return ImportedModel(content=content, facts=facts)
        kind, value = "prefix", place.key
    else:
        kind, value = "s3", uri
    mistakes = [] if kind == "prefix" else uri_mistakes(uri)
    for mistake in mistakes:
        notes.lost(path, uri, f"refused: {mistake}")
    facts = _known([hub, *_ids_in("" if place is None else place.key)], own)
    named: dict[str, Any] = {} if facts is None else {"id": facts.id}
    promoted = _PROMOTED.fullmatch(value) if kind == "prefix" else None
    if promoted is not None:
        _tell_of_a_draft(promoted["version"], path=path, notes=notes)
    elif facts is None:
        notes.comment(path, "Which model it is cannot be read: with an id of the catalogue it is planned and checked.")
    elif not hub and not value.rstrip("/").endswith(facts.id):
        notes.comment(path, "The id is read from the folder's name; remove it if it is another model.")
    return ImportedModel(content={**named, kind: value}, facts=facts)


def _tell_of_a_draft(version: str, *, path: str, notes: Notes) -> None:
    makes = "the same files and options for good, and no pipeline; write back model and speculative of the environment's file"
    notes.lost(path, f"version {version} of a draft, which its pipeline promoted", makes)
    notes.comment(
        path, "A copy of the model with the draft next to it. No API says where the model alone is, or which one it is."
    )


def _ids_in(prefix: str) -> list[str]:
    """Return possible model ids in a prefix: its last two folders, and its last one."""
    names = [name for name in prefix.split("/") if name]
    return ["/".join(names[-2:]), *names[-1:]]


def _known(candidates: Sequence[str], own: Sequence[ModelFacts]) -> ModelFacts | None:
    """Return the first model that the user or the catalogue knows, by its id, or by its name without owner if only one has it."""
    ids = [*(facts.id for facts in own), *_catalogue_ids()]
    for candidate in filter(None, candidates):
        exact = [one for one in ids if one.lower() == candidate.lower()]
        named = [one for one in dict.fromkeys(ids) if one.rpartition("/")[2].lower() == candidate.lower()]
        found = exact[0] if exact else named[0] if len(named) == 1 and "/" not in candidate else None
        if found is None and "/" in candidate:
            found = candidate
        try:
            if found is not None:
                return catalogue(found, also=own)
        except ConfigurationError:
            continue
    return None


@functools.cache
def _catalogue_ids() -> tuple[str, ...]:
    return tuple(facts.id for facts in all_models())
