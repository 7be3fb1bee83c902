"""An embedded AWS: moto, and on top of it SageMaker hosting that really serves.

`install` extends moto in this process (then `mock_aws` sees the extension); `python -m localcloud` runs it as a server.
"""

from __future__ import annotations

__all__ = ["install"]


def install() -> None:
    """Extend moto in this process; more than once does no harm."""
    from localcloud import extension  # noqa: PLC0415 -- the engine's environment imports this package and has no moto

    extension.install()
