"""Where attacks on host services run: a folder that may be granted, one that may not, a server.

root       inside.txt, sub/deep.txt, big.bin (20 MB), pipe (a FIFO), sock (a listening socket),
           link -> outside/secret.txt, up -> outside, and race, which turns from a file with
           "inside" into a link to the secret all the time
outside    secret.txt, which holds SECRET
server     "host:port" of a server that answers in every bad way: see `Page`
"""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import sleep
from typing import TextIO
from urllib.parse import parse_qs, urlsplit

SECRET = "SECRET-MARKER"
SECRETS: Mapping[str, str] = {
    **{
        name: f"{SECRET}-{name.lower()}"
        for name in (
            *("OPENAI_API_KEY", "PLANTED_API_KEY", "GITHUB_TOKEN", "DB_PASS", "MYSQL_PWD"),
            *("GH_PAT", "SSH_PASSPHRASE", "SESSION_COOKIE", "PGPASS"),
        )
    },
    "SENTRY_DSN": f"https://{SECRET}@sentry.example/1",
    "SLACK_WEBHOOK_URL": f"https://hooks.example/{SECRET}",
    "DATABASE_URL": f"postgres://user:{SECRET}@host/db",
}
"""Environment of the attacks. No value may be seen by a spell, nor in what it leaves behind."""


@dataclass(frozen=True, slots=True)
class Place:
    """What the placeholders of an attack stand for, and an input that never comes."""

    root: Path
    outside: Path
    server: str
    stdin: TextIO

    def filled(self, text: str) -> str:
        for name in ("root", "outside", "server"):
            text = text.replace(f"{{{name}}}", str(getattr(self, name)))
        return text


@contextmanager
def fresh_place(server: str, *, racing: bool) -> Iterator[Place]:
    """Makes the folders, and removes whatever became of them."""
    base = Path(tempfile.mkdtemp(prefix="llmspell-"))
    root, outside = base / "root", base / "outside"
    with ExitStack() as stack:
        # shutil.rmtree gives up on folders nested thousands deep.
        stack.callback(subprocess.run, ["rm", "-rf", str(base)], check=False)
        (root / "sub").mkdir(parents=True)
        outside.mkdir()
        (outside / "secret.txt").write_text(SECRET)
        (root / "inside.txt").write_text("inside")
        (root / "sub" / "deep.txt").write_text("deep")
        (root / "link").symlink_to(outside / "secret.txt")
        (root / "up").symlink_to(outside)
        os.mkfifo(root / "pipe")
        with (root / "big.bin").open("wb") as file:
            file.truncate(20_000_000)
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(root / "sock"))
        listener.listen()
        if racing:
            stack.enter_context(_race(root, outside))
        unread, unwritten = os.pipe()
        stack.callback(os.close, unwritten)
        stdin = stack.enter_context(os.fdopen(unread))
        yield Place(root, outside, server, stdin)


@contextmanager
def _race(root: Path, outside: Path) -> Iterator[None]:
    over = threading.Event()

    def swap() -> None:
        turn = 0
        while not over.is_set():
            turn += 1
            new = root / f".swap{turn % 2}"
            with suppress(OSError):
                if turn % 2:
                    new.symlink_to(outside / "secret.txt")
                else:
                    new.write_text("inside")
                new.rename(root / "race")
            sleep(0.0005)

    thread = threading.Thread(target=swap, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Page(BaseHTTPRequestHandler):
    """Bad answers by path.

    /            "hello"
    /redirect    to `to`; /loop to itself
    /big         never ends; /slow neither, a byte a second; /gzip is 50 MB of zeros, packed
    /header      a header of 100 KB
    /echo        the request as JSON
    /html        a page: `before` once, then `part`, `times` over
    """

    protocol_version = "HTTP/1.1"
    packed = gzip.compress(bytes(50_000_000))

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def answer(self, body: bytes = b"", status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, piece: bytes, pause: float) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        with suppress(OSError):
            for _ in range(60 if pause else 10_000):
                self.wfile.write(piece)
                sleep(pause)

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        given = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/":
            self.answer(b"hello")
        elif url.path in ("/redirect", "/loop"):
            self.answer(status=302, Location=given.get("to", "/loop"))
        elif url.path == "/big":
            self.stream(b"x" * 65536, 0.0)
        elif url.path == "/slow":
            self.stream(b"x", 1.0)
        elif url.path == "/gzip":
            self.answer(self.packed, Content_Encoding="gzip")
        elif url.path == "/header":
            self.answer(X_Long="h" * 100_000)
        elif url.path == "/echo":
            said = {
                "method": self.command,
                "path": self.path,
                "headers": dict(self.headers.items()),
            }
            text = json.dumps({**said, "body": body.decode("latin-1")})
            self.answer(text.encode(), Content_Type="application/json")
        elif url.path == "/html":
            text = given.get("before", "") + given.get("part", "") * int(given["times"])
            self.answer(text.encode(), Content_Type="text/html")
        else:
            self.answer(b"no", 404)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = serve  # noqa: N815


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """An attack that hangs up is no error."""


@contextmanager
def bad_server() -> Iterator[str]:
    """Runs the server; gives its "host:port"."""
    server = _Server(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
