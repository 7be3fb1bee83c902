"""SageMaker's limits on the environment of a container."""

from __future__ import annotations

from typing import Final

# Shapes EnvironmentMap, EnvironmentKey and EnvironmentValue of SageMaker's API model, botocore 1.44.5, read 2026-11-21;
# a test compares them with the installed botocore.
MAX_ENTRIES: Final = 100
MAX_KEY_LENGTH: Final = 1024
MAX_VALUE_LENGTH: Final = 1024
KEY_PATTERN: Final = r"[a-zA-Z_][a-zA-Z0-9_]*"

MAX_TOTAL_LENGTH: Final = 32 * 1024
"""Characters of all keys and values of a container together (documentation of ContainerDefinition$Environment, same model)."""

MAX_ENTRIES_IN_COMPONENT: Final = 16
"""Maximum number of entries if the container is described inside the inference component.

The shape says 100, the documentation of InferenceComponentContainerSpecification$Environment (same model) says "We support
up to 16 entries in the map". A component that names a model (`ModelName`) is not bound by it.
"""
