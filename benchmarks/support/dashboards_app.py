"""An environment of 100 planned components, with or without what watches it."""

from __future__ import annotations

import sys


def main(side: str, outdir: str) -> None:
    """Build and synthesise one side of the comparison: see `SIDES` of dashboards_scale.py."""
    import aws_cdk as cdk

    from cdk_sglang.environments.reading import cdk_json_context
    from cdk_sglang.environments.settings import Environment
    from stacks import fleet
    from stacks.checks import add_checks
    from stacks.watching import Watching

    component = {
        "model": {"id": "meta-llama/Llama-3.2-3B-Instruct", "prefix": "weights/llama/"},
        "scaling": {"min_copies": 1, "max_copies": 4},
        "slo": {"availability_percent": 99.9},
    }
    settings = Environment.model_validate(
        {
            "account": "111122223333",
            "region": "us-east-1",
            "network": {"vpc": "none"},
            "alarms": {"none": "a benchmark of dashboards"},
            "observability": {
                "dashboards": side in {"classic", "promql"},
                "enrichment": "enabled" if side in {"alarms", "promql"} else "none",
            },
            "endpoints": {
                f"endpoint-{number}": {
                    "capacity": {"type": "ml.g6e.48xlarge", "max_instances": 25},
                    "components": {f"m{index}": component for index in range(25)},
                }
                for number in range(4)
            },
        }
    )
    if side == "nothing":
        vars(fleet)["add_watching"] = lambda *_, **__: Watching()
    app = cdk.App(outdir=outdir, context=cdk_json_context())
    env = cdk.Environment(account=settings.account, region=settings.region)
    fleet.add_fleet(app, name="bench", settings=settings, source="bench.yaml", env=env)
    add_checks(app)  # nothing, where validation is off
    app.synth()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
