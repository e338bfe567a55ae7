"""Http: exchanges on real loopback sockets, and every way to an address that is not public."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ipaddress
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import monotonic, sleep
from typing import Any

import pytest

from llmspell.errors import BadArgument, CapabilityError, Denied, ProviderFailure
from llmspell.host.net import http as http_unit
from llmspell.host.net.addresses import is_public
from llmspell.host.net.http import Http, Reply, _Redirect, _redirected, checked_url
from llmspell.host.net.markdown import convert_page
from llmspell.host.net.network import MAX_RESOLVING
from llmspell.host.net.pages import Page
from llmspell.policy import literal


class Grants:
    """Allows the actions it is given, for all resources, and remembers what was asked."""

    def __init__(self, *actions: str) -> None:
        self.actions = actions
        self.refused: set[tuple[str, str]] = set()
        self.asked: list[tuple[str, str]] = []

    def __call__(self, action: str, resource: str) -> None:
        self.asked.append((action, resource))
        if action not in self.actions or (action, resource) in self.refused:
            raise Denied(f"{action} to {resource} is not granted")


class Site(ThreadingHTTPServer):
    """A web site for tests; remembers the requests it got and how many connections."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.connections = 0
        self.released = threading.Event()
        self.pages: dict[str, bytes] = {}
        super().__init__(("127.0.0.1", 0), Visit)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what many tests are about."""


class Visit(BaseHTTPRequestHandler):
    """What the site answers, by path."""

    protocol_version = "HTTP/1.1"
    server: Site

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self) -> None:
        size = int(self.headers.get("Content-Length", "0"))
        seen = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": self.rfile.read(size).decode(),
        }
        self.server.requests.append(seen)
        path, _, query = self.path.partition("?")
        if path == "/echo":
            self.answer(200, json.dumps(seen).encode(), Content_Type="application/json")
        elif path == "/cookie":
            self.answer(200, b"ok", Set_Cookie="session=1; Path=/")
        elif path == "/gzip":
            self.answer(200, gzip.compress(b"hello"), Content_Encoding="gzip")
        elif path == "/bomb":
            self.answer(200, gzip.compress(bytes(50_000_000)), Content_Encoding="gzip")
        elif path == "/not-gzip":
            self.answer(200, b"plain", Content_Encoding="gzip")
        elif path == "/large":
            self.answer(200, bytes(2_000_000))
        elif path == "/to":  # /to?302,http://...
            status, _, target = query.partition(",")
            self.answer(int(status), b"moved", Location=target)
        elif path == "/loop":
            self.answer(302, b"", Location="/loop")
        elif path == "/slow":
            self.server.released.wait(20)
            self.answer(200, b"late")
        elif path == "/page":
            self.answer(200, PAGE.encode("latin-1"), Content_Type="text/html; charset=latin-1")
        elif path == "/text":
            self.answer(200, "grüße".encode(), Content_Type="text/plain")
        elif path == "/image":
            self.answer(200, b"\x89PNG", Content_Type="image/png")
        elif path.startswith("/pages/"):
            page = self.server.pages[path.removeprefix("/pages/")]
            self.answer(200, page, Content_Type="text/html")
        elif path == "/bare":
            self.answer(200, b"<!doctype html><p>bare")
        elif path == "/bare-binary":
            self.answer(200, b"\0\1\2")
        else:
            self.answer(404, b"no such page", Content_Type="text/plain")

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = handle_any  # noqa: N815 - http.server asks for them

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are quiet."""


PAGE = """<!doctype html><html><head><title> Grüße &amp;
 more</title><style>p { color: red }</style></head><body><nav><a href="/">Home</a></nav>
<h1>Top</h1><p>Some <b>bold</b> text and <a href="/next">a link</a>.</p>
<script>alert("x")</script></body></html>"""


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def peer(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server below HTTP: `talk` gets each connection. Gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.settimeout(10)
                    with connection, contextlib.suppress(OSError):
                        talk(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def run(
    work: Callable[[Http], Coroutine[Any, Any, Any]],
    demand: Grants | None = None,
    **options: Any,
) -> Any:
    """Run `work` with an Http that may do anything, and close it afterwards."""

    async def main() -> Any:
        http = Http(demand or Grants("net", "net.private"), **options)
        try:
            return await asyncio.wait_for(work(http), 15)
        finally:
            await http.aclose()

    return asyncio.run(main())


def get(url: str, demand: Grants | None = None, **options: Any) -> Reply:
    reply = run(lambda http: http.request("GET", url), demand, **options)
    assert isinstance(reply, Reply)
    return reply


def failure(work: Callable[[], object]) -> ProviderFailure:
    with pytest.raises(ProviderFailure) as caught:
        work()
    assert "\n" not in caught.value.message
    return caught.value


def test_a_request(site: Site) -> None:
    """Method, headers and body arrive; status, headers, body and address come back."""
    reply = run(
        lambda http: http.request(
            "post", site.url("/echo?a=1#part"), headers={"X-Mine": "yes"}, body=b"data"
        )
    )
    seen = json.loads(reply.body)
    assert (reply.status, reply.url) == (200, site.url("/echo?a=1"))
    assert reply.headers["content-type"] == "application/json"
    assert (seen["method"], seen["path"], seen["body"]) == ("POST", "/echo?a=1", "data")
    assert seen["headers"]["x-mine"] == "yes"
    assert seen["headers"]["user-agent"] == "llmspell"
    assert run(lambda http: http.request("HEAD", site.url("/echo"))).body == b""
    assert get(site.url("/nothing")).status == 404
    assert get(site.url("/gzip")).body == b"hello"


def test_connections_are_kept_and_closed(site: Site) -> None:
    """Requests to one host share a connection, each is checked; aclose() is not the end."""
    grants = Grants("net", "net.private")

    async def work(http: Http) -> None:
        await http.request("GET", site.url("/echo"))
        await http.request("GET", site.url("/echo"))
        assert site.connections == 1
        await http.aclose()
        await http.request("GET", site.url("/echo"))
        assert site.connections == 2

    run(work, grants)
    assert grants.asked.count(("net", f"127.0.0.1:{site.port}")) == 3


def test_nothing_is_remembered(site: Site) -> None:
    """Cookies of one request do not show up in another."""

    async def work(http: Http) -> None:
        reply = await http.request("GET", site.url("/cookie"))
        assert reply.headers["set-cookie"].startswith("session=1")
        await http.request("GET", site.url("/echo"))

    run(work)
    assert "cookie" not in site.requests[-1]["headers"]


def test_no_proxy_from_the_environment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would resolve names on its own, past our checks."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert get(site.url("/echo")).status == 200


def test_denied_without_a_grant(site: Site) -> None:
    """Without a grant nothing is connected, or even resolved."""
    grants = Grants()
    with pytest.raises(Denied):
        get(site.url("/echo"), grants)
    assert grants.asked == [("net", f"127.0.0.1:{site.port}")]
    assert site.connections == 0


SPELLINGS = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "0",
    "0.0.0.0",
    "10.1.2.3",
    "169.254.169.254",
    "100.100.100.200",
    "168.63.129.16",
    "224.0.0.1",
    "[fd00:ec2::254]",
    "[fe80::1]",
]


@pytest.mark.parametrize("host", SPELLINGS)
def test_private_addresses(site: Site, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Every spelling of a private address demands net.private, and no resolver is asked."""

    def no_resolver(*_: object, **__: object) -> None:
        raise AssertionError("an address is not to be resolved")

    monkeypatch.setattr(socket, "getaddrinfo", no_resolver)
    grants = Grants("net")
    with pytest.raises(Denied) as caught:
        get(site.url("/echo", host), grants)
    name = str(literal(host.strip("[]")))
    resource = f"[{name}]:{site.port}" if ":" in name else f"{name}:{site.port}"
    asked = dict.fromkeys((f"{host}:{site.port}", resource))
    first = next(iter(asked))
    assert grants.asked == [*(("net", name) for name in asked), ("net.private", first)]
    assert caught.value.message == f"net.private to {first} is not granted"
    assert site.connections == 0


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST"])
def test_private_names(site: Site, host: str) -> None:
    """A name counts by its addresses; case makes no other name of it."""
    grants = Grants("net")
    with pytest.raises(Denied):
        get(site.url("/echo", host), grants)
    resource = f"localhost:{site.port}"
    assert grants.asked == [("net", resource), ("net.private", resource)]
    assert site.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "localhost"])
def test_private_addresses_with_a_grant(site: Site, host: str) -> None:
    """With the grant they are reached."""
    assert get(site.url("/echo", host)).status == 200


def test_metadata_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a metadata service is private before it is resolved."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("resolved"))
    grants = Grants("net")
    with pytest.raises(Denied):
        get("http://metadata.google.internal./computeMetadata/v1/", grants)
    assert grants.asked[-1] == ("net.private", "metadata.google.internal:80")


def test_default_ports() -> None:
    """The port is always named."""
    for url, resource in (
        ("http://example.org/", "example.org:80"),
        ("https://example.org/", "example.org:443"),
        ("https://bücher.example/", "xn--bcher-kva.example:443"),
        ("https://[2606:4700::1]/", "[2606:4700::1]:443"),
    ):
        grants = Grants()
        with pytest.raises(Denied):
            get(url, grants)
        assert grants.asked == [("net", resource)]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::808:808", True),
        ("2002:808:808::1", True),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::1", False),
        ("192.0.0.192", False),
        ("192.88.99.1", False),
        ("198.18.0.1", False),
        ("255.255.255.255", False),
        ("240.0.0.1", False),
        ("::8.8.8.8", False),
        ("::ffff:0:8.8.8.8", False),
        ("fec0::1", False),
        ("ff0e::1", False),
        ("3fff::1", False),
        ("2001:db8::1", False),
    ],
)
def test_is_public(address: str, public: bool) -> None:
    """An address is public only when all that is packed in it is."""
    assert is_public(ipaddress.ip_address(address)) is public


class Names:
    """Stands in for the resolver of the system."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **names: list[str]) -> None:
        self.names = {name.replace("_", "."): found for name, found in names.items()}
        self.asked: list[str] = []
        monkeypatch.setattr(socket, "getaddrinfo", self.resolve)

    def resolve(self, host: str, port: int, *_: object, **__: object) -> list[Any]:
        self.asked.append(host)
        if host not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(0, 0, 0, "", (address, port)) for address in self.names[host]]


def test_every_address_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """One private address among public ones is enough."""
    Names(monkeypatch, mixed_test=["8.8.8.8", "2606:4700::1", "10.0.0.1"])
    grants = Grants("net")
    with pytest.raises(Denied):
        get("http://mixed.test/", grants)
    assert grants.asked == [("net", "mixed.test:80"), ("net.private", "mixed.test:80")]


def test_a_dot_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes no other host of a name, so no rule about the name misses it."""
    Names(monkeypatch, inner_test_=["10.0.0.1"])
    grants = Grants("net")
    with pytest.raises(Denied):
        get("http://inner.test./", grants)
    assert grants.asked == [("net", "inner.test:80"), ("net.private", "inner.test:80")]


def test_a_name_is_resolved_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection goes to the address that was checked, so a changed answer has no effect."""
    names = Names(monkeypatch, changing_test=["127.0.0.1"])
    grants = Grants("net", "net.private")
    assert get(site.url("/echo", "changing.test"), grants).status == 200
    assert names.asked == ["changing.test"]
    assert site.requests[-1]["headers"]["host"] == f"changing.test:{site.port}"


def test_the_next_address_is_tried(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that refuses does not make the host unreachable."""
    Names(monkeypatch, two_test=["127.0.0.2", "127.0.0.1"])
    assert get(site.url("/echo", "two.test")).status == 200


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "/etc/passwd",
        "file:///etc/passwd",
        "ftp://example.org/",
        "ws://example.org/",
        "http://",
        "http:///path",
        "http://example.org:99999/",
        "http://example.org:0/",
        "http://user:word@example.org/",
        "http://127.0.0.1%00.example.org/",
        "http://%31%32%37.0.0.1/",
        "http://0177.0.0.1/",
        "http://[fe80::1%25lo]/",
        "http://a b/",
        "http://example.org/\r\nX: y",
        "http://①②⑦.0.0.1/",
    ],
)
def test_bad_urls(url: str) -> None:
    """What is not a plain http or https URL is the caller's mistake; no grant is asked."""
    grants = Grants("net", "net.private")
    with pytest.raises(BadArgument) as caught:
        get(url, grants)
    assert grants.asked == []
    assert "word" not in caught.value.message


def test_bad_requests() -> None:
    """Methods, headers and timeouts that a script must not send."""
    url = "http://example.org/"
    calls: list[Callable[[Http], Coroutine[Any, Any, Any]]] = [
        lambda http: http.request("CONNECT", url),
        lambda http: http.request("TRACE", url),
        lambda http: http.request("GET /x HTTP/1.1\r\n", url),
        lambda http: http.request("GET", url, headers={"Host": "other"}),
        lambda http: http.request("GET", url, headers={"Transfer-Encoding": "chunked"}),
        lambda http: http.request("GET", url, headers={"content-length": "3"}),
        lambda http: http.request("GET", url, headers={"a b": "c"}),
        lambda http: http.request("GET", url, headers={"a": "b\r\nc: d"}),
        lambda http: http.request("GET", url, headers={"a": "ü"}),
        lambda http: http.request("GET", url, timeout=0),
        lambda http: http.request("GET", url, timeout=float("nan")),
    ]
    for call in calls:
        with pytest.raises(BadArgument):
            run(call)
    assert failure(lambda: run(lambda http: http.request("PUT", url, body=b"xxxx"), max_bytes=3))


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [
        (301, "POST", "GET", ""),
        (302, "POST", "GET", ""),
        (303, "POST", "GET", ""),
        (303, "PUT", "GET", ""),
        (301, "PUT", "PUT", "data"),
        (302, "DELETE", "DELETE", "data"),
        (303, "HEAD", "HEAD", ""),
        (307, "POST", "POST", "data"),
        (308, "POST", "POST", "data"),
    ],
)
def test_redirects(site: Site, status: int, method: str, then: str, body: str) -> None:
    """Method and body follow the rules of browsers; the reply has the last address."""
    data = b"data" if method != "HEAD" else None
    reply = run(
        lambda http: http.request(
            method,
            site.url(f"/to?{status},/echo"),
            body=data,
            headers={"content-type": "text/x", "authorization": "me"},
        )
    )
    seen = site.requests[-1]
    assert (reply.status, reply.url) == (200, site.url("/echo"))
    assert (seen["method"], seen["body"]) == (then, body)
    assert seen["headers"]["authorization"] == "me"
    assert ("content-type" in seen["headers"]) == (then == method)


def test_redirects_not_followed(site: Site) -> None:
    """With follow=False the redirect is the reply."""
    reply = run(lambda http: http.request("GET", site.url("/to?302,/echo"), follow=False))
    assert (reply.status, reply.headers["location"]) == (302, "/echo")
    assert len(site.requests) == 1


def test_redirects_are_checked(site: Site) -> None:
    """Each redirect is asked for, and a private host behind one is as private as before."""
    target = site.url("/echo", "127.2")
    grants = Grants("net", "net.private")
    grants.refused.add(("net.private", f"127.0.0.2:{site.port}"))
    with pytest.raises(Denied):
        get(site.url(f"/to?302,{target}"), grants)
    assert grants.asked == [
        ("net", f"127.0.0.1:{site.port}"),
        ("net.private", f"127.0.0.1:{site.port}"),
        ("net", f"127.2:{site.port}"),
        ("net", f"127.0.0.2:{site.port}"),
        ("net.private", f"127.2:{site.port}"),
        ("net.private", f"127.0.0.2:{site.port}"),
    ]
    assert len(site.requests) == 1
    for bad in ("file:///etc/passwd", "gopher://127.0.0.1/"):
        with pytest.raises(Denied):
            get(site.url(f"/to?302,{bad}"))
    for bad in ("http://", "http://[::1", "http://a:99999/"):
        assert failure(partial(get, site.url(f"/to?302,{bad}"))).code == "malformed"
    with pytest.raises(ProviderFailure, match="not valid"):
        _redirected(
            _Redirect(302, "http:////1 \xff@]nna"), "GET", checked_url("http://a.b/"), {}, None
        )
    assert failure(lambda: get(site.url("/loop"))).code == "malformed"


def test_credentials_stay_with_their_origin(site: Site) -> None:
    """Another host, or another port, gets no credentials."""
    private = {
        "Authorization": "Bearer x",
        "Cookie": "a=b",
        "X-Api-Key": "k",
        "X-Auth-Token": "t",
    }
    target = site.url("/echo", "localhost")
    run(
        lambda http: http.request(
            "GET", site.url(f"/to?307,{target}"), headers={**private, "X-Other": "o"}
        )
    )
    first, second = site.requests
    assert {name.lower() for name in private} <= set(first["headers"])
    assert not {name.lower() for name in private} & set(second["headers"])
    assert second["headers"]["x-other"] == "o"


def test_size_is_capped(site: Site) -> None:
    """Bytes are counted after decompression."""
    for path in ("/large", "/bomb"):
        error = failure(partial(get, site.url(path), max_bytes=1_000_000))
        assert (error.code, error.retryable) == ("too_large", False)
    assert len(get(site.url("/large"), max_bytes=2_000_000).body) == 2_000_000


def test_all_that_is_coming_is_capped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many large answers at once fail, to be tried again; what has come leaves room for others."""
    monkeypatch.setattr(http_unit, "MAX_AT_ONCE", 2_500_000)

    async def work(http: Http) -> list[Any]:
        many = [http.request("GET", site.url("/large")) for _ in range(5)]
        first = await asyncio.gather(*many, return_exceptions=True)
        return [*first, await http.request("GET", site.url("/large"))]

    *first, last = run(work)
    assert len(last.body) == 2_000_000
    failed = [error for error in first if isinstance(error, ProviderFailure)]
    assert all((error.code, error.retryable) == ("too_large", True) for error in failed)
    assert failed


def test_timeout(site: Site) -> None:
    """Time runs from the call to the last byte, however the peer spends it."""

    def drip(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not site.released.wait(0.05):
            connection.sendall(b"x")

    errors = [failure(lambda: get(site.url("/slow"), timeout=0.3))]
    with peer(drip) as port:
        errors.append(failure(lambda: get(f"http://127.0.0.1:{port}/", timeout=0.3)))
    for error in errors:
        assert (error.code, error.retryable) == ("timeout", True)
        assert error.message == "no answer from 127.0.0.1 within 0.3 s"
    with pytest.raises(ProviderFailure, match=r"within 0.1 s"):
        run(lambda http: http.request("GET", site.url("/slow"), timeout=0.1))


def test_unreachable() -> None:
    """No name, no listener, and a peer that hangs up."""
    error = failure(lambda: get("http://nobody.invalid/", timeout=10))
    assert (error.code, error.retryable) == ("unreachable", True)
    assert error.message == "cannot reach nobody.invalid: the name does not resolve"
    error = failure(lambda: get("http://" + "a" * 64 + ".invalid/"))
    assert error.code == "unreachable"

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = failure(lambda: get(f"http://127.0.0.1:{port}/"))
    assert (error.code, error.retryable) == ("unreachable", True)
    assert error.message == "cannot reach 127.0.0.1: the connection is refused"

    for part in (
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha",
    ):

        def hang_up(connection: socket.socket, part: bytes = part) -> None:
            connection.recv(65536)
            connection.sendall(part)

        with peer(hang_up) as port:
            error = failure(partial(get, f"http://127.0.0.1:{port}/"))
        assert (error.code, error.retryable) == ("unreachable", True)
        assert error.message.endswith("the connection closed before the answer ended")


def test_reset() -> None:
    """A connection that is reset in the middle of an answer."""

    def reset(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        linger = b"\1\0\0\0\0\0\0\0"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    with peer(reset) as port:
        error = failure(lambda: get(f"http://127.0.0.1:{port}/"))
    assert (error.code, error.retryable) == ("unreachable", True)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 40_000,
    ],
)
def test_malformed(answer: bytes) -> None:
    """What is not HTTP is an error with a code of its own."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)
        connection.recv(1)

    with peer(talk) as port:
        error = failure(lambda: get(f"http://127.0.0.1:{port}/"))
    assert (error.code, error.retryable) == ("malformed", False)
    assert error.message == "cannot understand the answer of 127.0.0.1"


def test_broken_compression(site: Site) -> None:
    """A body that is not compressed as announced."""
    assert failure(lambda: get(site.url("/not-gzip"))).code == "malformed"


def test_no_tls(site: Site) -> None:
    """https to a peer without TLS."""
    error = failure(lambda: get(site.url("/echo").replace("http:", "https:")))
    assert error.code == "unreachable"
    assert error.message == "cannot reach 127.0.0.1: it does not speak TLS properly"


@pytest.mark.parametrize(
    ("scheme", "answer"),
    [
        ("http", b""),
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
        ("https", b""),
    ],
)
@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_leaving_closes_the_connection(scheme: str, answer: bytes, how: str) -> None:
    """Cancelled or out of time: waiting for an answer, inside one, or in a TLS handshake."""
    begun, closed = threading.Event(), threading.Event()

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)
        begun.set()
        while connection.recv(65536):
            pass
        closed.set()

    async def work(http: Http, url: str) -> None:
        timeout = 0.3 if how == "timeout" else None
        task = asyncio.create_task(http.request("GET", url, timeout=timeout))
        while not begun.is_set():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        if how == "cancel":
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            with pytest.raises(ProviderFailure):
                await task
        # The loop goes on and nothing else is done: the socket must be closed already.
        for _ in range(200):
            if closed.is_set():
                return
            await asyncio.sleep(0.01)
        pytest.fail("the connection is still open")

    with peer(talk) as port:
        run(lambda http: work(http, f"{scheme}://127.0.0.1:{port}/"))


def test_cancelled_while_resolving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a resolver that takes its time."""
    release = threading.Event()

    def slow(*_: object, **__: object) -> list[Any]:
        release.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    try:
        error = failure(lambda: get("http://slow.test/", timeout=0.1))
    finally:
        release.set()
    assert error.code == "timeout"


def test_names_that_are_given_up_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver cannot be stopped, so no more than a few are asked at once; others wait."""
    release = threading.Event()
    asked: list[str] = []

    def slow(host: str, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        release.wait(30)
        return []

    async def ask(http: Http) -> list[str]:
        names = [f"http://a{i}.test/" for i in range(100)]
        told = await asyncio.gather(
            *(http.request("GET", name, timeout=2) for name in names), return_exceptions=True
        )
        return [error.code for error in told if isinstance(error, ProviderFailure)]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    try:
        codes = run(ask)
    finally:
        release.set()
    assert len(asked) == MAX_RESOLVING
    assert codes == ["timeout"] * 100


def fetch(url: str) -> Page:
    page = run(lambda http: http.fetch_page(url))
    assert isinstance(page, Page)
    return page


def test_fetch_page(site: Site) -> None:
    """HTML becomes Markdown with absolute links, other text stays, the rest is refused."""
    page = fetch(site.url("/to?302,/page"))
    assert page[:3] == (site.url("/page"), "Grüße & more", "text/html")
    assert page.text == f"# Top\n\nSome **bold** text and [a link]({site.url('/next')}).\n"
    assert fetch(site.url("/text")) == (site.url("/text"), "", "text/plain", "grüße")
    assert fetch(site.url("/echo")).content_type == "application/json"
    assert fetch(site.url("/bare"))[2:] == ("text/html", "bare\n")
    for path in ("/image", "/bare-binary"):
        assert failure(partial(fetch, site.url(path))).code == "unsupported"
    error = failure(lambda: fetch(site.url("/nothing")))
    assert (error.code, error.retryable) == ("status", False)
    assert error.message == f"{site.url('/nothing')} answered with status 404"


def to_markdown(html: str) -> str:
    return convert_page(html, None)[1]


def test_to_markdown() -> None:
    """Navigation, scripts and styles go; rules, odd input and deep nesting do no harm."""
    assert to_markdown(PAGE) == "# Top\n\nSome **bold** text and [a link](/next).\n"
    assert to_markdown("<hr><p>x</p><hr>") == "---\n\nx\n\n---\n"
    assert to_markdown("") == "\n"
    assert to_markdown("a\ud800b") == "a?b\n"
    to_markdown("<div>" * 50_000)
    to_markdown("<title" * 50_000)


BOMBS = {
    "wide cells": "<table><tr>" + "<td colspan=1000>x" * 500_000,
    "rows as wide as the first": "<table><tr>" + "<td>" * 1000 + "<tr><td>x" * 200_000,
}
"""Pages that become gigabytes."""


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_page_that_becomes_gigabytes(site: Site, bomb: str) -> None:
    """It ends a process, not this one, and takes none of its memory."""
    site.pages["bomb"] = BOMBS[bomb].encode()
    before = getrusage(RUSAGE_SELF).ru_maxrss
    error = failure(lambda: fetch(site.url("/pages/bomb")))
    assert (error.message, error.code) == ("the page cannot be converted", "malformed")
    assert getrusage(RUSAGE_SELF).ru_maxrss - before < 200_000


def test_a_conversion_nobody_waits_for_is_over(site: Site) -> None:
    """Leaving a call that converts a page kills the process, and lets the loop end at once."""
    site.pages["long"] = b"<p>x</p>" * 1_000_000
    began = monotonic()

    async def work(http: Http) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(http.fetch_page(site.url("/pages/long")), 1)

    run(work)
    assert monotonic() - began < 4
    deadline = monotonic() + 5
    while children() and monotonic() < deadline:
        sleep(0.01)
    assert children() == []


def children() -> list[str]:
    """Processes of ours that convert pages."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            status = (path / "stat").read_text().rpartition(")")[2].split()
            converts = b"markdown" in (path / "cmdline").read_bytes()
            if status[1] == str(os.getpid()) and converts:
                found.append(path.name)
    return found


def test_a_conversion_has_no_secret(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process gets none of our environment."""
    seen: list[dict[str, Any]] = []
    popen = subprocess.Popen

    def spy(*args: Any, **options: Any) -> Any:
        seen.append(options)
        return popen(*args, **options)

    monkeypatch.setattr(subprocess, "Popen", spy)
    fetch(site.url("/page"))
    assert [options["env"] for options in seen] == [{}]


def test_errors_are_ours(site: Site) -> None:
    """No error of the HTTP library, and no trace of one, leaves a call."""
    for url in (site.url("/not-gzip"), "http://nobody.invalid/", site.url("/loop")):
        with pytest.raises(CapabilityError) as caught:
            get(url, timeout=10)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_importing_is_cheap() -> None:
    """The unit itself loads neither the HTTP library nor an event loop."""
    code = (
        "import sys, llmspell.host.net.http, llmspell.host.files.files\n"
        "print({'httpx2', 'httpcore2', 'asyncio', 'html_to_markdown'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
