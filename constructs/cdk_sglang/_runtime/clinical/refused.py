"""Why a tool refused a request: a code, and a text that the model and the user may read."""

from __future__ import annotations


class ToolRefusedError(Exception):
    """The tool refuses the request; the text contains none of the arguments.

    Attributes:
        code: One word for logs and tests, such as `unknown-patient`.
        text: What the model reads.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
