"""Asks aiconfigurator 0.12 for rows; runs under its own Python, with nothing of this project.

One JSON object per line in, one per line out: `ttft_ms`, `tpot_ms` and `tokens_s_gpu`, or `error`.
"""

from __future__ import annotations

import json
import logging
import sys


def main() -> None:
    """Answer every line of standard input."""
    logging.disable(logging.CRITICAL)
    from aiconfigurator.cli.api import cli_estimate

    for line in sys.stdin:
        try:
            found = cli_estimate(**json.loads(line))
            rate = float(found.raw["tokens/s/gpu"])
            answer: dict[str, float | str] = {
                "ttft_ms": float(found.ttft),
                "tpot_ms": float(found.tpot),
                "tokens_s_gpu": rate,
            }
        except (Exception, SystemExit) as error:  # noqa: BLE001  whatever it raises, the next row is asked
            answer = {"error": f"{type(error).__name__}: {error}"[:200]}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
