"""This unit reads web pages: what may be read, in which letters, and the readable part of it.

    check_readable(status, headers, url)    refuses what is no page, before its body is read
    read_page(url, headers, body)           a page as Markdown, or as the text it is
    one_line(text)                          text of a stranger, fit for an error message

HTML becomes Markdown in a process of its own, see `markdown`.
"""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from ...errors import ProviderFailure
from .. import confined
from . import markdown

PATIENCE = 20.0
"""Seconds a page may take: more than the process may compute, for a machine that is busy."""

PIECE = 256 * 1024
"""Bytes of a page that are made text in one turn."""

TEXT_TYPE = re.compile(
    r"text/.*|application/(json|xml|javascript|ecmascript|yaml|x-yaml|toml|x-ndjson|.*\+(json|xml))"
)
HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})


class Page(NamedTuple):
    """A page to read: `text` is Markdown when the page was HTML, and the plain text otherwise."""

    url: str
    title: str
    content_type: str
    text: str


async def read_page(url: str, headers: Mapping[str, str], body: bytes) -> Page:
    """The page in an answer, for reading: HTML as Markdown, other text as it is."""
    content_type, charset = _content_type(headers)
    if not content_type:
        content_type = _guess_type(body)
        check_readable(200, {"content-type": content_type}, url)
    text = await _decode(body, charset, html=content_type in HTML_TYPES)
    if content_type not in HTML_TYPES:
        return Page(url, "", content_type, text)

    title, text = await _converted(text, url)
    return Page(url, title, content_type, text)


async def _converted(html: str, url: str) -> tuple[str, str]:
    """Title and Markdown of a page, worked out in a process that is killed when nobody waits."""
    import json

    told = await confined.run(markdown.__file__, json.dumps([html, url]).encode(), PATIENCE)
    if told is None:
        raise ProviderFailure("the page cannot be converted", code="malformed")
    title, text = json.loads(told)
    return str(title), str(text)


def check_readable(status: int, headers: Mapping[str, str], url: str) -> None:
    """Refuse, before its body is read, an answer that is no page."""
    if status >= 400:
        retryable = status in (408, 425, 429) or status >= 500
        raise ProviderFailure(
            f"{one_line(url)} answered with status {status}", code="status", retryable=retryable
        )
    content_type, _ = _content_type(headers)
    if content_type and not TEXT_TYPE.fullmatch(content_type):
        raise ProviderFailure(
            f"{one_line(url)} is {one_line(content_type)}, which cannot be read as text",
            code="unsupported",
        )


def _content_type(headers: Mapping[str, str]) -> tuple[str, str]:
    """Media type and charset of an answer, each "" when it is not given."""
    content_type, _, parameters = headers.get("content-type", "").partition(";")
    charset = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", parameters, re.IGNORECASE)
    return content_type.strip().lower(), charset[1] if charset else ""


def _guess_type(body: bytes) -> str:
    start = body[:1024].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "text/html"
    return "application/octet-stream" if b"\0" in body[:1024] else "text/plain"


async def _decode(body: bytes, charset: str, *, html: bool) -> str:
    """Bytes to text. Never fails: what does not fit becomes U+FFFD."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if body.startswith(mark):
            return await _in_pieces(body[len(mark) :], name)
    if not charset and html:
        declared = re.search(rb"(?i)<meta[^>]{0,200}charset\s*=\s*[\"']?([\w.:-]+)", body[:2048])
        charset = declared[1].decode("ascii", "replace") if declared else ""
    # Python has codecs that are no charsets (punycode, unicode_escape); pages get none of them.
    if re.fullmatch(
        r"(?i)(utf|us|iso|latin|windows|cp|koi8|shift|s?jis|euc|gb|big5|mac)[\w.:-]*", charset
    ):
        with contextlib.suppress(LookupError):
            try:
                return await _in_pieces(body, charset)
            except UnicodeError:  # some want a mark at the start, or no sequence cut in two
                return body.decode(charset, "replace")
    return await _in_pieces(body, "utf-8")


async def _in_pieces(body: bytes, charset: str) -> str:
    """Others have their turns meanwhile: what does not fit takes a hundred times as long."""
    import asyncio

    decoder = codecs.getincrementaldecoder(charset)("replace")
    pieces: list[str] = []
    for start in range(0, len(body), PIECE):
        pieces.append(decoder.decode(body[start : start + PIECE]))
        await asyncio.sleep(0)
    pieces.append(decoder.decode(b"", final=True))
    return "".join(pieces)


def one_line(text: str) -> str:
    """Text of a script or a server, kept to one short line."""
    line = "".join(char if char.isprintable() else "?" for char in text[:121])
    return line if len(line) <= 120 else line[:117] + "..."
