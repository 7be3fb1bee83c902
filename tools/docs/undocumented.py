"""Print each public name, field and option without a description; exit 1 if there are any. `python -m tools.docs.undocumented`."""

from __future__ import annotations

import json
import sys

from cdk_sglang.cli.main import app
from tools.docs.command_page import undescribed_options
from tools.docs.public import ROOT, undocumented
from tools.docs.settings_page import undescribed_fields


def main() -> int:
    """Check the three references; return the exit code."""
    schema = json.loads((ROOT / "environments" / "schema.json").read_text(encoding="utf-8"))
    lines = [f"cdk_sglang.{gap}" for gap in undocumented()]
    lines += [f"environments/schema.json: {field}: no description" for field in undescribed_fields(schema)]
    lines += [f"{option}: no help" for option in undescribed_options(app)]
    for line in lines:
        print(line, file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    raise SystemExit(main())
