"""An embedded AWS: moto, and on top of it SageMaker hosting that really serves.

`install` extends moto in this process (then `mock_aws` sees the extension); `python -m localcloud` runs it as a server.
"""

from __future__ import annotations

from localcloud import (
    autoscaling,
    cloudformation,
    companions,
    components,
    custom,
    endpoints,
    fleet,
    jobs,
    lambdas,
    metrics,
    operations,
    stepfunctions,
)
from localcloud.clock import clock as the_clock

__all__ = ["install"]

_REGISTERED = (components, custom, endpoints, jobs)  # importing them registers what they implement


def install() -> None:
    """Extend moto in this process; more than once does no harm."""
    operations.install()
    cloudformation.install()
    companions.install()
    autoscaling.install()
    lambdas.install()
    stepfunctions.install()
    the_clock().every_tick(fleet.tick)
    the_clock().every_tick(metrics.tick)
    the_clock().every_tick(autoscaling.tick)
