"""Set up `.venv` and `node_modules`: `python3 -m tools.setup STAMP` (what `make setup` runs)."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.setup.project import main

_EXIT_USAGE = 2

if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: python3 -m tools.setup STAMP", file=sys.stderr)
        sys.exit(_EXIT_USAGE)
    sys.exit(main(Path(sys.argv[1])))
