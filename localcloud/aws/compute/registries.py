"""Registries of other accounts, such as AWS's own containers: nothing is pulled here, so they have every requested image."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from typing import Any

from moto.ecr.models import ECRBackend


def _of_others(batch_get_image: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    @functools.wraps(batch_get_image)
    def answered(
        self: ECRBackend,
        repository_name: str,
        registry_id: str | None = None,
        image_ids: list[dict[str, str]] | None = None,
    ) -> dict[str, Any]:
        if registry_id in {None, self.account_id} or not image_ids:
            return batch_get_image(self, repository_name, registry_id, image_ids)
        images = [
            {
                "registryId": registry_id,
                "repositoryName": repository_name,
                "imageId": {"imageDigest": f"sha256:{_digits(registry_id, repository_name, image)}", **image},
                "imageManifest": "{}",
            }
            for image in image_ids
        ]
        return {"images": images, "failures": []}

    return answered


def _digits(registry: str | None, repository: str, image: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps([registry, repository, image], sort_keys=True).encode()).hexdigest()


def install() -> None:
    """Answer for registries of other accounts, which moto treats as the account's own."""
    ECRBackend.batch_get_image = _of_others(ECRBackend.batch_get_image)
