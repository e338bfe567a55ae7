"""This unit talks to model servers that a script has named: they get no key and little else.

    open_keyless(demand)    an HTTP client for them

Whatever an SDK wants to send, only the headers in `SENT` leave; every request needs the grant
`net` and connects only to checked addresses; redirects are not followed; answers are bounded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from ...errors import Denied, ProviderFailure
from ..llm.streams import note_response
from .addresses import METADATA_HOSTS, bare, names, resource
from .network import open_client

if TYPE_CHECKING:
    import httpx2

SENT = frozenset({"accept", "accept-encoding", "connection", "content-length", "content-type",
                  "host", "transfer-encoding", "user-agent"})  # fmt: skip
"""Headers that say nothing about whoever sends them."""

MAX_ANSWER = 16 * 1024 * 1024
"""Bytes of one answer."""


def open_keyless(demand: Callable[[str, str], None]) -> httpx2.AsyncClient:
    """A client that sends no secret and reads no more than it should."""
    import httpx2

    class Bounded(httpx2.AsyncByteStream):
        def __init__(self, stream: httpx2.AsyncByteStream) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for piece in self._stream:
                size += len(piece)
                if size > MAX_ANSWER:
                    raise ProviderFailure(
                        f"the answer is larger than {MAX_ANSWER} bytes", code="malformed"
                    )
                yield piece

        async def aclose(self) -> None:
            await self._stream.aclose()

    async def check(request: httpx2.Request) -> None:
        host = request.url.raw_host.decode("ascii")
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        for name in names(host, port):
            demand("net", name)
        if bare(host) in METADATA_HOSTS:
            demand("net.private", resource(host, port))
        for header in set(request.headers) - SENT:
            del request.headers[header]
        request.headers["accept-encoding"] = "identity"

    async def bound(response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise Denied("the answer is compressed, although that was not asked for")
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = Bounded(response.stream)

    client = open_client(demand)
    client.event_hooks = {"request": [check], "response": [bound, note_response]}
    return client
