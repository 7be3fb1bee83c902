"""Make a base and its versions for `speculative_draft.py`: runs in `.venv-engine`.

.venv-engine/bin/python benchmarks/support/draft_versions.py FOLDER LAYERS ALGORITHM
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from localcloud.engine.tiny_drafts import lay_out_version, make_draft
from localcloud.engine.tiny_model import make_base


def main(folder: Path, layers: int, algorithm: str) -> None:
    """Write `none`, `random` and, without its draft, `trained`."""
    base = make_base(folder / "none", layers=layers)
    for side in ("random", "trained"):
        lay_out_version(base, None, folder / side, version={"version": side, "algorithm": algorithm})
    make_draft(base, folder / "random" / "draft", algorithm=algorithm)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
