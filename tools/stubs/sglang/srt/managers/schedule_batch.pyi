class BaseFinishReason:
    def __init__(
        self, message: str | None = None, status_code: int | None = None, err_type: str | None = None
    ) -> None: ...

FINISH_ABORT = BaseFinishReason
