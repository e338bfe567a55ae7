"""This unit fetches the images and files of messages, through the gate, as their grants allow.

loaded(ctx, messages, carry)     the messages with all bytes in them
media_type_of(...)               what a file is, by what it says, begins with, or is called
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import BadArgument, FileFailure, ProviderFailure
from .messages import ContentPart, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..context import Context

MAX_ATTACHED = 8 * 1024 * 1024
"""Bytes of images and files in one request. On their way they are larger by half."""

MAX_PARTS = 1000
"""Parts of all messages of one request together."""

BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
"""What files of a kind begin with."""


async def loaded(
    ctx: Context, messages: Sequence[Message], carry: Callable[[int], None]
) -> Sequence[Message]:
    """The messages with the bytes of their images and files. Raises what the gate does.

    carry: is told of the bytes of each when it is there, and may refuse.
    BadArgument for a part that is not one; what is too large is not read on.
    """
    if all(isinstance(message.content, str) for message in messages):
        return messages
    size = count = 0
    found: list[Message] = []
    for index, message in enumerate(messages, 1):
        if isinstance(message.content, str):
            found.append(message)
            continue
        parts = []
        for number, part in enumerate(message.content, 1):
            count += 1
            if count > MAX_PARTS:
                raise BadArgument(f"the messages have more than {MAX_PARTS} parts")
            part = await _filled(ctx, part, f"messages[{index}].content[{number}]")
            size += len(part.data or b"")
            if size > MAX_ATTACHED:
                raise BadArgument(
                    f"images and files of one request are larger than {MAX_ATTACHED} bytes"
                )
            carry(len(part.data or b""))
            parts.append(part)
        found.append(replace(message, content=parts))
    return found


async def _filled(ctx: Context, part: ContentPart, path: str) -> ContentPart:
    sources = [n for n in ("path", "url", "data") if getattr(part, n) is not None]
    if part.type == "text":
        if part.text is None or sources:
            raise BadArgument(f"{path} must have text, and nothing else")
        return part
    if len(sources) != 1 or part.text is not None:
        raise BadArgument(f"{path} must have one of path, url and data")
    said, data = part.media_type, part.data
    if part.path is not None:
        data = await ctx.invoke("fs.read_bytes", part.path)
    elif part.url is not None:
        answer = await ctx.invoke("http.get", part.url)
        if not answer["ok"]:
            raise ProviderFailure(f"{path}: the answer had the status {answer['status']}",
                                  code="fetch_failed")  # fmt: skip
        data = answer["body"]
        said = said or answer["headers"].get("content-type", "").partition(";")[0].strip() or None
    content = data.encode() if isinstance(data, str) else data or b""
    if not content:
        raise FileFailure(f"{path} is empty", code="empty")
    kind = said or media_type_of(content, part.path or "")
    if kind is None:
        raise BadArgument(f"{path}: say its media_type, such as application/pdf")
    if part.type == "image" and not kind.startswith("image/"):
        raise BadArgument(f"{path} must be an image, got {kind[:100]}")
    return ContentPart(part.type, data=content, media_type=kind)


def media_type_of(data: bytes, name: str = "") -> str | None:
    """What a file is by its beginning, or else by its name; None when neither tells."""
    for beginning, kind in BEGINNINGS:
        if data.startswith(beginning):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    from mimetypes import guess_type

    return guess_type(name)[0]
