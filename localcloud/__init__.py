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
)
from localcloud.clock import clock

__all__ = ["install"]

_REGISTERED = (components, custom, endpoints, jobs)  # importing them registers what they implement


def install() -> None:
    """Extend moto in this process; more than once does no harm."""
    operations.install()
    cloudformation.install()
    companions.install()
    autoscaling.install()
    lambdas.install()
    clock().every_tick(fleet.tick)
    clock().every_tick(metrics.tick)
    clock().every_tick(autoscaling.tick)
