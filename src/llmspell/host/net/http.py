"""This unit gives scripts HTTP requests to the hosts that the grants allow, and to no others.

    Http(demand)            request: one exchange, redirects included
                            fetch_page: a page as Markdown or text

Where a request goes is checked twice, because a name says little about where it leads:

    1. before anything happens, `demand("net", "host:port")`, again for each redirect;
    2. when a connection is opened, by `network`, which asks for "net.private" as well where an
       address is not public, and connects to an address that was checked.

The HTTP library is imported with the first request: it takes longer to load than many spells run.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ...errors import BadArgument, Denied, ProviderFailure
from .addresses import METADATA_HOSTS, bare, names, resource
from .network import open_client, unreachable
from .pages import Page, check_readable, one_line, read_page

if TYPE_CHECKING:
    import asyncio

    import httpx2

MAX_BYTES = 16 * 1024 * 1024
MAX_AT_ONCE = 8 * MAX_BYTES
"""Bytes of all answers of a session that are still coming."""

MAX_REDIRECTS = 10
MAX_CONVERTED = 2
"""Pages of a session that are made Markdown at a time: each takes a process."""

FRAMING = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that say where a request goes or where it ends. A script must not contradict us."""

MAX_URL = 16_384
"""Characters of an address: servers take fewer, and each beyond ASCII is turned on its own."""

MAX_HEADERS = 100
MAX_HEADER_CHARACTERS = 65536
"""Of all headers of a request: servers refuse as many, and to write them takes time."""

CREDENTIAL = re.compile("auth|cookie|token|secret|api-?key", re.IGNORECASE)
"""Headers that a redirect must not carry to another origin."""


class Reply(NamedTuple):
    """An answer: headers have lower-case names, the body is decompressed, `url` is the last one."""

    status: int
    headers: dict[str, str]
    body: bytes
    url: str


class Http:
    """Requests under the grants. It belongs to the event loop of its first request."""

    def __init__(
        self,
        demand: Callable[[str, str], None],
        timeout: float = 30.0,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.timeout = timeout
        self.max_bytes = max_bytes
        self._demand = demand
        self._client: httpx2.AsyncClient | None = None
        self._converting: asyncio.Semaphore | None = None
        self._coming = 0

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - what it says is what callers set
        follow: bool = True,
    ) -> Reply:
        """One exchange, within `timeout` seconds from the call to the last byte of the answer."""
        return await self._request(method, url, headers, body, timeout, follow, None)

    async def fetch_page(self, url: str) -> Page:
        """The page at `url`, for reading: HTML as Markdown, other text as it is."""
        accept = {"accept": "text/html, application/xhtml+xml, text/*;q=0.9, */*;q=0.1"}
        reply = await self._request("GET", url, accept, None, None, True, check_readable)
        if self._converting is None:
            import asyncio

            self._converting = asyncio.Semaphore(MAX_CONVERTED)
        async with self._converting:
            return await read_page(reply.url, reply.headers, reply.body)

    async def aclose(self) -> None:
        """Close all connections. The next request opens new ones."""
        client, self._client = self._client, None
        self._converting = None
        if client is not None:
            await client.aclose()

    async def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        seconds: float | None,
        follow: bool,
        check: Callable[[int, dict[str, str], str], None] | None,
    ) -> Reply:
        import asyncio

        method = _checked_method(method)
        fields = checked_headers(headers or {})
        if body is not None and len(body) > self.max_bytes:
            raise ProviderFailure(f"cannot send more than {self.max_bytes} bytes", code="too_large")
        seconds = self.timeout if seconds is None else seconds
        if not (seconds > 0 and math.isfinite(seconds)):
            raise BadArgument("timeout must be a number of seconds above 0")
        target = checked_url(url)
        host = target.host
        try:
            async with asyncio.timeout(seconds):
                for _ in range(MAX_REDIRECTS + 1):
                    host = target.host
                    with _reported(host):
                        answer = await self._exchange(method, target, fields, body, follow, check)
                    if isinstance(answer, Reply):
                        return answer
                    method, target, fields, body = _redirected(answer, method, target, fields, body)
        except TimeoutError:
            raise ProviderFailure(
                f"no answer from {host} within {seconds:g} s", code="timeout", retryable=True
            ) from None
        raise ProviderFailure(
            f"cannot reach {host}: more than {MAX_REDIRECTS} redirects", code="malformed"
        )

    async def _exchange(
        self,
        method: str,
        target: httpx2.URL,
        headers: dict[str, str],
        body: bytes | None,
        follow: bool,
        check: Callable[[int, dict[str, str], str], None] | None,
    ) -> Reply | _Redirect:
        """Send one request. Leaving it in any way closes the answer, and so frees its socket."""
        host = target.raw_host.decode("ascii")
        port = target.port or _default_port(target.scheme)
        for name in names(host, port):
            self._demand("net", name)
        if bare(host) in METADATA_HOSTS:
            self._demand("net.private", resource(host, port))
        if self._client is None:
            self._client = open_client(self._demand)
        request = self._client.build_request(method, target, headers=headers, content=body)
        response = await self._client.send(request, stream=True, auth=None, follow_redirects=False)
        left = self.max_bytes
        try:
            status = response.status_code
            location = response.headers.get("location")
            if follow and location is not None and status in (301, 302, 303, 307, 308):
                return _Redirect(status, location)
            fields = dict(response.headers.items())
            if check is not None:
                check(status, fields, str(target))
            pieces: list[bytes] = []
            # Counted after decompression, which goes in pieces of at most 1 MiB.
            async with contextlib.aclosing(response.aiter_bytes()) as stream:
                async for piece in stream:
                    left -= len(piece)
                    self._coming += len(piece)
                    if self._coming > MAX_AT_ONCE:
                        raise ProviderFailure(
                            f"answers of more than {MAX_AT_ONCE} bytes are coming at once: "
                            "make fewer requests at the same time",
                            code="too_large",
                            retryable=True,
                        )
                    if left < 0:
                        raise ProviderFailure(
                            f"the answer of {target.host} is larger than {self.max_bytes} bytes",
                            code="too_large",
                        )
                    pieces.append(piece)
            return Reply(status, fields, b"".join(pieces), str(target))
        finally:
            self._coming -= self.max_bytes - left
            await response.aclose()


class _Redirect(NamedTuple):
    status: int
    location: str


@contextlib.contextmanager
def _reported(host: str) -> Iterator[None]:
    """Turn errors of the HTTP library into ours."""
    import httpcore2
    import httpx2

    try:
        yield
    except httpcore2.LocalProtocolError:
        raise BadArgument("the request is not valid HTTP: check its headers") from None
    except (httpcore2.RemoteProtocolError, httpx2.DecodingError) as error:
        text = str(error)
        # The library has one class for a peer that hangs up and for one that talks nonsense.
        if text.startswith(("peer closed connection", "Server disconnected")):
            raise unreachable(host, "the connection closed before the answer ended") from None
        raise ProviderFailure(f"cannot understand the answer of {host}", code="malformed") from None
    except (httpcore2.NetworkError, OSError) as error:
        if isinstance(error, TimeoutError):
            raise
        raise unreachable(host, "the connection broke") from None


def _redirected(
    redirect: _Redirect,
    method: str,
    target: httpx2.URL,
    headers: dict[str, str],
    body: bytes | None,
) -> tuple[str, httpx2.URL, dict[str, str], bytes | None]:
    """The request that follows a redirect, by the rules of browsers."""
    import httpx2

    try:
        url = target.join(redirect.location)
    except (httpx2.InvalidURL, ValueError):  # some of it is left to the standard library
        raise ProviderFailure(
            f"{target.host} redirects to an address that is not valid", code="malformed"
        ) from None
    if url.scheme not in ("http", "https"):
        raise Denied(f"{target.host} redirects to something other than http or https")
    try:
        url = checked_url(str(url.copy_with(userinfo=b"")))
    except BadArgument:
        raise ProviderFailure(
            f"{target.host} redirects to an address that is not valid", code="malformed"
        ) from None
    if (redirect.status == 303 and method != "HEAD") or (
        redirect.status in (301, 302) and method == "POST"
    ):
        method, body = "GET", None
        headers = {
            name: value for name, value in headers.items() if not name.startswith("content-")
        }
    if _origin(url) != _origin(target):
        headers = {name: value for name, value in headers.items() if not CREDENTIAL.search(name)}
    return method, url, headers, body


def _checked_method(method: str) -> str:
    method = method.upper()
    # CONNECT would open a tunnel, TRACE would echo credentials back.
    if not re.fullmatch("[A-Z]{1,20}", method) or method in ("CONNECT", "TRACE"):
        raise BadArgument(f"{one_line(method)} is not a method")
    return method


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with lower-case names, when they are such that a script may send them."""
    fields: dict[str, str] = {}
    if len(headers) > MAX_HEADERS:
        raise BadArgument(f"a request has at most {MAX_HEADERS} headers, got {len(headers)}")
    if sum(map(len, [*headers, *headers.values()])) > MAX_HEADER_CHARACTERS:
        told = f"the headers of a request have at most {MAX_HEADER_CHARACTERS} characters"
        raise BadArgument(told)
    for name, value in headers.items():
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
            raise BadArgument(f"{one_line(name)} is not the name of a header")
        if name.lower() in FRAMING:
            raise BadArgument(f"the header {one_line(name)} is not for scripts to set")
        if not re.fullmatch(r"[\t\x20-\x7e]*", value):
            raise BadArgument(f"the header {one_line(name)} has characters that cannot be sent")
        fields[name.lower()] = value.strip()
    return fields


def checked_url(url: str) -> httpx2.URL:
    """The address, when it is one that a script may ask. Raises BadArgument."""
    import httpx2

    if len(url) > MAX_URL:
        raise BadArgument(f"{one_line(url)} is longer than {MAX_URL} characters")
    try:
        target = httpx2.URL(url)
    except (httpx2.InvalidURL, UnicodeError):
        raise BadArgument(f"{one_line(url)} is not a valid URL") from None
    if target.scheme not in ("http", "https"):
        raise BadArgument(f"{one_line(url)} is not an http or https URL")
    if target.userinfo:
        # Not repeated in the message, which may be logged.
        raise BadArgument("a URL must not contain a user name; use the authorization header")
    host = target.raw_host.decode("ascii", "replace")
    if not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host) or not bare(host):
        raise BadArgument(f"{one_line(url)} is not a valid URL")
    if target.port is not None and not 0 < target.port < 65536:
        raise BadArgument(f"{one_line(url)} is not a valid URL")
    return target.copy_with(fragment=None)


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _origin(url: httpx2.URL) -> tuple[str, str, int]:
    return url.scheme, bare(url.host), url.port or _default_port(url.scheme)
