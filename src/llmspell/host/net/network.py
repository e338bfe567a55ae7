"""This unit opens connections for the HTTP library, only to addresses that were checked.

    open_client(demand)           an HTTP client whose every connection is checked
    Network(demand)               resolves a host once, checks each of its addresses, connects
    unreachable(host, reason)     the error for a host that cannot be talked to

Each address that is not public needs `demand("net.private", "host:port")`, and the connection goes
to an address that was checked. Nothing resolves the name a second time.
"""

# ruff: noqa: ASYNC109 - the HTTP library passes its timeouts as arguments
from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from ...errors import Denied, ProviderFailure
from ...policy import literal
from .addresses import bare, is_public, names

if TYPE_CHECKING:
    import asyncio
    import ssl

    import httpcore2
    import httpx2

    from ...policy import Address

# Seconds until the next address of a host is tried. The last one may use all the time left.
ATTEMPT_TIMEOUT = 4.0

READ_AT_ONCE = 16 * 1024
"""Bytes read from a server at once: a few of them may be a part of an answer, and what was read is
looked at in one turn."""

TURN = 0.004
"""Seconds after which others have their turn, where the parts of an answer came together."""

MAX_RESOLVING = 32
"""Names that a network resolves at once. Nobody can stop the resolver of the system: what is given
up goes on in its thread, for as long as that waits for servers of names."""


class Network:
    """Opens connections for the HTTP library, only to addresses that were checked.

    It has the methods of `httpcore2.AsyncNetworkBackend` without being one, as the base class
    would have to be imported with this file. What it raises passes the library unchanged.
    """

    def __init__(self, demand: Callable[[str, str], None]) -> None:
        self._demand = demand
        self._resolving: asyncio.Semaphore | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Resolve, check every address, and connect to the first that answers."""
        import httpcore2

        addresses = await self._addresses(host, port)
        for address in addresses:
            if not is_public(address):
                for name in names(host, port):
                    self._demand("net.private", name)
        reason = "the name does not resolve"
        sockets = httpcore2.AnyIOBackend()
        for number, address in enumerate(addresses, 1):
            patience = ATTEMPT_TIMEOUT if number < len(addresses) else timeout
            try:
                stream = await sockets.connect_tcp(
                    str(address), port, patience, local_address, socket_options
                )
            except httpcore2.ConnectTimeout:
                reason = "it does not answer"
            except httpcore2.ConnectError as error:
                refused = _cause(error, ConnectionRefusedError)
                reason = "the connection is refused" if refused else "there is no way to it"
            else:
                return cast("httpcore2.AsyncNetworkStream", Connection(stream, host))
        raise unreachable(host, reason)

    async def _addresses(self, host: str, port: int) -> list[Address]:
        """The addresses of a host; none when the name does not resolve."""
        import ipaddress

        if (address := literal(host)) is not None:
            return [address]
        found = await self._resolve(host, port)
        return list(dict.fromkeys(ipaddress.ip_address(name) for name in found))

    async def _resolve(self, host: str, port: int) -> list[str]:
        """Ask the resolver, in a thread that nobody waits for once the call is cancelled."""
        import asyncio
        import threading

        turns = self._resolving = self._resolving or asyncio.Semaphore(MAX_RESOLVING)
        await turns.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()

        def settle(found: list[str]) -> None:
            turns.release()
            if not answer.done():
                answer.set_result(found)

        def ask() -> None:
            found = _found(host, port)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, found)

        try:
            threading.Thread(target=ask, name="resolver", daemon=True).start()
        except BaseException:
            turns.release()
            raise
        return await answer

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """Never: scripts reach the network, not services of this machine."""
        raise Denied("unix sockets are not open to scripts")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        import asyncio

        await asyncio.sleep(seconds)


class Connection:
    """One connection; adds to that of the library that a failed TLS handshake closes the socket.

    The library does so for errors only, which leaves the socket open when the call is cancelled.
    """

    def __init__(self, stream: httpcore2.AsyncNetworkStream, host: str) -> None:
        self._stream = stream
        self._host = host

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Some bytes; none when the peer has closed."""
        return await self._stream.read(min(max_bytes, READ_AT_ONCE), timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of `buffer`."""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the socket."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> Connection:
        """The same connection inside TLS; the certificate must be for `server_hostname`."""
        import ssl

        import httpcore2

        # A certificate never names the dot at the end of a host.
        name = bare(server_hostname or self._host)
        try:
            return Connection(await self._stream.start_tls(ssl_context, name, timeout), self._host)
        except BaseException as error:
            import anyio

            with anyio.CancelScope(shield=True):
                await self._stream.aclose()
            if not isinstance(error, httpcore2.ConnectError):
                raise
            if _cause(error, ssl.SSLCertVerificationError):
                raise ProviderFailure(
                    f"cannot reach {self._host}: its certificate is not valid", code="unreachable"
                ) from None
            raise unreachable(self._host, "it does not speak TLS properly") from None

    def get_extra_info(self, info: str) -> Any:
        """What the library wants to know about the socket."""
        return self._stream.get_extra_info(info)


def open_client(demand: Callable[[str, str], None]) -> httpx2.AsyncClient:
    """A client that opens checked connections and remembers nothing between requests."""
    import asyncio
    from collections.abc import AsyncIterator
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpcore2
    import httpx2

    class Body(httpx2.AsyncByteStream):
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            began = perf_counter()
            async for piece in self._stream:
                yield piece
                if perf_counter() - began > TURN:  # pieces that came together wait for nothing
                    await asyncio.sleep(0)
                    began = perf_counter()

        async def aclose(self) -> None:
            await self._stream.aclose()

    class Transport(httpx2.AsyncBaseTransport):
        # The transport of the library takes no network backend. Putting our pool into it would
        # rely on a private name, and lose every check should that name change.
        def __init__(self) -> None:
            self._pool = httpcore2.AsyncConnectionPool(
                ssl_context=httpx2.create_ssl_context(),
                max_connections=100,
                max_keepalive_connections=20,
                keepalive_expiry=5.0,
                network_backend=cast("httpcore2.AsyncNetworkBackend", Network(demand)),
            )

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            url = request.url
            response = await self._pool.handle_async_request(
                httpcore2.Request(
                    method=request.method,
                    url=httpcore2.URL(
                        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
            return httpx2.Response(
                response.status,
                headers=response.headers,
                stream=Body(response.stream),
                extensions=response.extensions,
            )

        async def aclose(self) -> None:
            await self._pool.aclose()

    return httpx2.AsyncClient(
        transport=Transport(),
        headers={"user-agent": "llmspell"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        timeout=None,
        trust_env=False,
    )


def unreachable(host: str, reason: str) -> ProviderFailure:
    """The error for a host that cannot be talked to, and why."""
    return ProviderFailure(f"cannot reach {host}: {reason}", code="unreachable", retryable=True)


def _cause(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    """The first error of a kind among those that led to `error`."""
    step: BaseException | None = error
    while step is not None and not isinstance(step, kind):
        step = step.__cause__ or step.__context__
    return step


def _found(host: str, port: int) -> list[str]:
    """What the resolver of the system says of a name."""
    import socket

    # A name that cannot be encoded for the resolver is a name that does not resolve.
    with contextlib.suppress(OSError, UnicodeError):
        asked = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(item[4][0]) for item in asked]
    return []
