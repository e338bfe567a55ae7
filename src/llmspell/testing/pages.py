"""Web pages on a loopback socket, and the ways to send them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

PAGE = """<!doctype html>
<html><head><title>A test page</title><script>var hidden = "script text";</script></head>
<body><nav><a href="/">Home</a> <a href="/about">About</a></nav>
<main><h1>First heading</h1><p>A paragraph with <a href="/text">a link</a>.</p>
<h2>Second heading</h2><ul><li>one</li><li>two</li></ul></main></body></html>
"""
BLOCK = 64 * 1024


class PageHandler(BaseHTTPRequestHandler):
    """Serves the web pages of a `ModelServer`; `query` holds what stands behind the path."""

    query: dict[str, str]

    def pause(self, seconds: float) -> None:
        """Waits; ends the connection when the client leaves."""
        raise NotImplementedError

    def reply(
        self, body: bytes, kind: str, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        if status not in (204, 304):
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(body)

    def reply_text(self, text: str, kind: str = "text/plain", status: int = 200) -> None:
        self.reply(text.encode(), f"{kind}; charset=utf-8", status)

    def reply_json(
        self, value: Any, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        self.reply(json.dumps(value).encode(), "application/json", status, headers)

    def reply_chunked(self, chunks: Iterable[bytes], kind: str, encoding: str = "") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.end_headers()
        if self.command == "HEAD":
            return
        for chunk in chunks:
            if chunk:  # an empty one would end the body
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def reply_events(self, events: Iterable[str]) -> None:
        self.reply_chunked((event.encode() for event in events), "text/event-stream")

    def reply_cut_off(self, body: bytes, kind: str) -> None:
        """Announce the whole body, send half of it, close."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        raise ConnectionAbortedError

    # Web pages

    def serve_page(self, segments: list[str]) -> None:
        match segments:
            case ["page"]:
                self.reply_text(PAGE, "text/html")
            case ["text"]:
                self.reply_text("plain text\n")
            case ["json"]:
                self.reply_json({"name": "spell", "items": [1, 2, 3]})
            case ["status", code]:
                status = int(code)
                if not 200 <= status <= 599:
                    raise ValueError("status must be 200 to 599")
                self.reply_text(f"status {status}", status=status)
            case ["redirect"]:
                target = self.query["to"]
                if not target.isprintable():
                    raise ValueError("unprintable redirect target")
                self.reply(b"", "text/plain", 302, {"Location": target})
            case ["slow"]:
                self.pause(float(self.query["seconds"]))
                self.reply_text("slow")
            case ["bytes"]:
                self.reply_bytes(_size(self.query["n"]))
            case ["gzip-bomb"]:
                zeros = _gzip_zeros(_size(self.query["n"]))
                self.reply_chunked(zeros, "text/plain", encoding="gzip")
            case ["drop"]:
                self.reply_cut_off(b"x" * 1000, "text/plain")
            case _:
                self.reply_text("no such page", status=404)

    def reply_bytes(self, size: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.command != "HEAD":
            for start in range(0, size, BLOCK):
                self.wfile.write(b"x" * min(BLOCK, size - start))


def _size(text: str) -> int:
    size = int(text)
    if size < 0:
        raise ValueError("n must not be negative")
    return size


def _gzip_zeros(size: int) -> Iterator[bytes]:
    packer = zlib.compressobj(9, wbits=31)  # 31 asks for the gzip container
    for start in range(0, size, BLOCK):
        yield packer.compress(bytes(min(BLOCK, size - start)))
    yield packer.flush()
