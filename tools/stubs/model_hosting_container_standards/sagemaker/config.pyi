from typing import Self

class SageMakerConfig:
    enable_stateful_sessions: bool
    sessions_expiration: int
    sessions_path: str | None
    @classmethod
    def from_env(cls) -> Self: ...
