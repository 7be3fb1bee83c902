"""The warning about a KV cache in files without a size limit."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from cdk_sglang.planning import ResolvedComponent
from cdk_sglang.planning.component.file_cache import file_cache


def warn_of_endless_files(scope: Construct, component: ResolvedComponent) -> None:
    """Warn if nothing prevents the cache's files from filling the disk that contains the model's files."""
    first = component.variants[0]
    cache = file_cache(first.server, facts=first.facts, added=component.component.environment)
    if cache is not None and not cache.is_bounded:
        cdk.Annotations.of(scope).add_warning_v2(
            "cdk-sglang:file-cache-without-limit",
            "server.hicache.storage_backend is file, and nothing bounds what SGLang writes: its files fill the disk that the weights of later "
            "copies need; set storage_extra_config: {max_size: 200G}, for each GPU, or min_free_space",
        )
