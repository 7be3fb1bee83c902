"""Images of a chat, as the parts of a message's content that OpenAI's API and SGLang accept."""

from __future__ import annotations

import base64
from os import PathLike
from pathlib import Path
from typing import Any, Final, Literal

Detail = Literal["auto", "low", "high"]

_ADDRESSES: Final = ("https://", "http://", "data:")
_FORMATS: Final = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"))
_WEBP: Final = (b"RIFF", b"WEBP")


def image_part(source: bytes | str | PathLike[str], *, detail: Detail | None = None) -> dict[str, Any]:
    """Return an image as a part of a message's content, next to `{"type": "text", "text": "..."}`.

    Bytes and files are sent with the request (`data:`), the only way that works in network isolation; an address is fetched by the container.

    Args:
        source: The image's bytes (PNG, JPEG, WebP or GIF), the path of its file, or its address (https:, http: or data:).
        detail: OpenAI's hint of how closely to look; SGLang leaves it to the model's image processor. Not sent by default.

    Raises:
        OSError: The file cannot be read.
        ValueError: The bytes are not an image in one of these formats.
    """
    if isinstance(source, str) and source.lower().startswith(_ADDRESSES):
        url = source
    else:
        content, name = (source, "the image") if isinstance(source, bytes) else (Path(source).read_bytes(), str(source))
        url = f"data:image/{_format(content, name)};base64,{base64.b64encode(content).decode('ascii')}"
    return {"type": "image_url", "image_url": {"url": url} if detail is None else {"url": url, "detail": detail}}


def _format(content: bytes, name: str) -> str:
    for beginning, kind in _FORMATS:
        if content.startswith(beginning):
            return kind
    if (content[:4], content[8:12]) == _WEBP:
        return "webp"
    what = f"begins with {content[:8]!r}" if content else "is empty"
    raise ValueError(f"{name}: {what}, which is no PNG, JPEG, WebP or GIF; convert it to one of those")
