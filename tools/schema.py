"""Write environments/schema.json, with which editors with a YAML language server complete and check environments."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
TARGET: Final = ROOT / "environments" / "schema.json"


def schema_text() -> str:
    """Return the JSON Schema of an environment, the same bytes every time."""
    from cdk_sglang.environments.settings import Environment

    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "generated from constructs/cdk_sglang/environments/settings.py by `make schema`; do not edit",
        **_on_one_line(Environment.model_json_schema()),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _on_one_line(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Join the lines of descriptions that wrap in the source: editors show descriptions unchanged."""

    def joined(part: object) -> object:
        if isinstance(part, Mapping):
            return _on_one_line(part)
        return [joined(item) for item in part] if isinstance(part, list) else part

    return {
        key: " ".join(value.split()) if key == "description" and isinstance(value, str) else joined(value)
        for key, value in schema.items()
    }


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "constructs")]
    TARGET.write_text(schema_text(), encoding="utf-8")
    print(f"wrote {TARGET.relative_to(ROOT)}")
