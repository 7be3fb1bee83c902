"""One endpoint with so many components, through the library; prints the seconds it took inside Python."""

from __future__ import annotations

import sys
import time


def build(count: int, outdir: str) -> None:
    """Build and synthesise."""
    import aws_cdk as cdk

    from cdk_sglang import Capacity, InferenceEndpoint, ModelSource, ServingImage, SglangOptions

    app = cdk.App(outdir=outdir)
    stack = cdk.Stack(app, "Bench", env=cdk.Environment(account="111122223333", region="us-east-1"))
    endpoint = InferenceEndpoint(
        stack,
        "Chat",
        capacity=Capacity.on_demand("ml.g6e.48xlarge", max_instances=count),
        image=ServingImage.from_dlc(),
        endpoint_name="bench",
    )
    for index in range(count):
        endpoint.add_component(
            f"m{index}",
            model=ModelSource.from_s3(f"s3://models/m{index}/"),
            server=SglangOptions(context_length=16384),
        )
    app.synth()


def main(count: int, outdir: str) -> None:
    """Build once; the clock starts before aws_cdk is imported."""
    begin = time.perf_counter()
    import aws_cdk  # noqa: F401  loading it is what is timed

    from cdk_sglang import Capacity, InferenceEndpoint, ModelSource, ServingImage, SglangOptions  # noqa: F401  as above

    imported = time.perf_counter()
    build(count, outdir)
    end = time.perf_counter()
    print(f"{imported - begin:.3f} {end - imported:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
