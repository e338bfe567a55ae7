"""Tools of MCP servers: programs of this machine that speak on stdin and stdout, and HTTP servers.

    Servers(...)    the servers of one run: connect, call, close

The protocol is that of the `mcp` library. The ways to a server are ours: a program is started as
any other (see `processes`) and needs the grant exec; an HTTP connection is checked as any other and
needs the grant net. What a server sends is bounded. Each connection lives in a task of its own, and
ends with the run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import (
    BadArgument,
    CapabilityError,
    HostFailure,
    NotFound,
    ProviderFailure,
    near_miss,
)
from ...typespec import JsonSchema
from .. import processes
from ..net.addresses import names
from ..net.http import checked_headers, checked_url
from ..net.network import open_client
from ..settings import McpSettings
from ..tasks import ended
from . import mcp_keys

if TYPE_CHECKING:
    import asyncio

    from ..services import Services

MAX_SERVERS = 16
MAX_TOOLS = 256
"""Servers of a run, and tools of a server."""

MAX_MESSAGE = 4 * 1024 * 1024
"""Bytes of one message of a server."""

MAX_TIMEOUT = 3600.0
PATIENCE = 5.0
"""Seconds a server has to end by itself."""


@dataclass(frozen=True, slots=True)
class McpOptions:
    """Where an MCP server is: give either a command or a URL, or neither for one of the settings.

    command: program and arguments of a server on stdin and stdout; needs the grant exec.
    url: address of a server that speaks streamable HTTP; needs the grant net.
    headers: headers of each request to a URL.
    folder: where a command runs; the folder of the session by default.
    variables: names of variables a command gets besides PATH, HOME, LANG and the like.
    timeout: seconds that connecting, and each call, may take.
    """

    command: list[str] | None = None
    url: str | None = None
    headers: dict[str, str] | None = None
    folder: str | None = None
    variables: list[str] | None = None
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class McpTool:
    """A tool of a server.

    name: its name there.
    description: what it does.
    schema: JSON Schema of its arguments.
    output_schema: JSON Schema of what it gives, if the server says.
    is_destructive: whether it may change or delete what was there, if the server says.
    """

    name: str
    description: str
    schema: JsonSchema
    output_schema: JsonSchema | None = None
    is_destructive: bool | None = None


class Servers:
    """The MCP servers of one run, by the names the script gave them."""

    def __init__(self, services: Services, demand: Callable[[str, str], None]) -> None:
        self._services = services
        self._demand = demand
        self._places: dict[str, McpOptions] = {}
        self._open: dict[str, _Connection] = {}

    def declare(self, name: str, options: McpOptions) -> None:
        """Says where a server is. It is connected when it is first used."""
        known = self._services.settings.mcp
        if name in known:
            if options != McpOptions(timeout=options.timeout):
                raise BadArgument(
                    f"{name} is a server of the settings, which say where it is and what it is "
                    "sent: give no more than a timeout, or choose another name"
                )
        elif (options.command is None) == (options.url is None):
            raise BadArgument(f"give either a command or a url{near_miss(name, known)}")
        if not 0 < options.timeout <= MAX_TIMEOUT:
            raise BadArgument(f"timeout must be above 0 and at most {MAX_TIMEOUT:g} seconds")
        if name not in self._places and len(self._places) == MAX_SERVERS:
            raise BadArgument(f"a run has at most {MAX_SERVERS} MCP servers")
        if not 0 < len(name) <= 64:
            raise BadArgument("the name of a server has 1 to 64 characters")
        if name in self._open and options != self._places[name]:
            raise BadArgument(f"the server {name} is another already: close it, or choose a name")
        self._places[name] = options

    async def tools(self, name: str) -> list[McpTool]:
        """The tools of a server."""
        connection = await self._connected(name)
        told: list[McpTool] = []
        cursor: str | None = None
        left = MAX_MESSAGE
        while True:
            page = await connection.list_tools(cursor)
            left -= len(page.model_dump_json())
            if len(told) + len(page.tools) > MAX_TOOLS:
                raise ProviderFailure(f"{name} has more than {MAX_TOOLS} tools", code="too_large")
            if left < 0:
                many = f"{MAX_MESSAGE} bytes of tools"
                raise ProviderFailure(f"{name} has more than {many}", code="too_large")
            told += [_tool(item) for item in page.tools]
            cursor = page.next_cursor
            if cursor is None or not page.tools:
                return told

    async def call(self, name: str, tool: str, args: dict[str, Any]) -> Any:
        """What a tool of a server gives. Raises HostFailure with what it says went wrong."""
        connection = await self._connected(name)
        result = await connection.call_tool(tool, args)
        value = _value(result)
        if result.is_error:
            raise HostFailure(f"{tool[:100]}: {_text(value)[:2000]}", code="tool")
        return value

    async def close(self, name: str) -> None:
        """Ends the connection to a server; nothing happens when there is none."""
        self._places.pop(name, None)
        connection = self._open.pop(name, None)
        if connection is not None:
            await connection.close()

    async def aclose(self) -> None:
        """Ends every connection."""
        for name in list(self._open):
            await self.close(name)

    async def _connected(self, name: str) -> _Connection:
        options = self._places.get(name)
        if options is None:
            raise NotFound(f"there is no MCP server {name[:64]}{near_miss(name, self._places)}")
        connection = self._open.get(name)
        if connection is None or connection.lost:
            way = self._way(name, options)
            connection = self._open[name] = _Connection(name, options.timeout, way)
        try:
            await connection.ready()
        except BaseException:
            if self._open.get(name) is connection and connection.lost:
                del self._open[name]
            raise
        return connection

    def _way(self, server: str, options: McpOptions) -> Any:
        """What opens the streams of messages to a server, once the grants cover it."""
        services, base = self._services, self._services.policy.base
        environment = services.environment
        known = services.settings.mcp.get(server, McpSettings())
        address = options.url or known.url
        if address is not None:
            url = checked_url(address)
            port = url.port or (443 if url.scheme == "https" else 80)
            for name in names(url.host, port):
                self._demand("net", name)
            keys = mcp_keys.headers(server, known, environment)
            headers = checked_headers({**(options.headers or {}), **keys})
            return _over_http(str(url), headers, self._demand)
        argv = options.command or [*known.command]
        program = processes.located(argv, base, self._demand)
        folder = processes.folder_of(services.files, base, options.folder)
        given = processes.variables(environment, options.variables or [], self._demand)
        given |= mcp_keys.variables(server, known, environment)
        return _over_stdio(program, argv, folder, given)


class _Connection:
    """A connection to one server, in a task of its own: the library wants to end where it began."""

    def __init__(self, name: str, seconds: float, way: Any) -> None:
        import asyncio

        self._name = name
        self._seconds = seconds
        self._session: Any = None
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ready.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._live(way))

    @property
    def lost(self) -> bool:
        """Whether the connection has ended."""
        return self._task.done()

    async def ready(self) -> None:
        """Waits until it can be used. Raises ProviderFailure."""
        import asyncio

        await asyncio.shield(self._ready)

    async def _live(self, way: Any) -> None:
        import asyncio

        try:
            from mcp import ClientSession
        except ImportError:
            told = "MCP servers need another package: pip install 'llmspell[mcp]'"
            self._fail(HostFailure(told, code="not_installed"))
            return
        try:
            async with way as (incoming, outgoing), ClientSession(incoming, outgoing) as session:
                async with asyncio.timeout(self._seconds):
                    await session.initialize()
                self._session = session
                self._ready.set_result(None)
                await self._closing.wait()
        except asyncio.CancelledError:
            self._fail(HostFailure(f"the connection to {self._name} was closed", code="closed"))
            raise
        except BaseException as error:  # noqa: BLE001 - whatever the library raises, in groups too
            self._fail(_failure(self._name, error))

    def _fail(self, error: CapabilityError) -> None:
        if not self._ready.done():
            self._ready.set_exception(error)

    async def list_tools(self, cursor: str | None) -> Any:
        """A page of the tools."""
        from mcp import types

        params = types.PaginatedRequestParams(cursor=cursor)
        return await self._request(types.ListToolsRequest(params=params), types.ListToolsResult)

    async def call_tool(self, tool: str, args: dict[str, Any]) -> Any:
        """The result of a tool. Not through the library's own call, which compiles schemas."""
        from mcp import types

        params = types.CallToolRequestParams(name=tool, arguments=args)
        return await self._request(types.CallToolRequest(params=params), types.CallToolResult)

    async def _request(self, request: Any, kind: Any) -> Any:
        import asyncio

        asked = asyncio.ensure_future(self._session.send_request(request, kind))
        try:
            # A server that goes away answers nothing any more.
            await asyncio.wait(
                {asked, self._task},
                timeout=self._seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if asked.done():
                return asked.result()
        except CapabilityError:
            raise
        except Exception as error:
            raise _failure(self._name, error) from error
        finally:
            await ended([asked])
        if self._task.done():
            raise ProviderFailure(f"{self._name} has gone away", code="closed", retryable=True)
        told = f"{self._name} gave no answer within {self._seconds:g} s"
        raise ProviderFailure(told, code="timeout", retryable=True)

    async def close(self) -> None:
        """Ends it, and waits until nothing of it is left."""
        import asyncio

        self._closing.set()
        try:
            await asyncio.wait({self._task}, timeout=PATIENCE)
        finally:  # who waits may be called off: nobody else would end it
            await ended([self._task])


def _failure(name: str, error: BaseException) -> CapabilityError:
    """What a script is told of an error of the library, or of what it builds on."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, CapabilityError):
        return error
    if isinstance(error, TimeoutError):
        return ProviderFailure(f"{name} does not answer", code="timeout", retryable=True)
    from mcp import MCPError

    if isinstance(error, MCPError):
        return ProviderFailure(f"{name}: {str(error)[:2000]}", code="refused")
    told = f"{name} does not speak MCP as it should ({type(error).__name__})"
    return ProviderFailure(told, code="malformed")


@asynccontextmanager
async def _over_http(
    url: str, headers: dict[str, str], demand: Callable[[str, str], None]
) -> AsyncIterator[tuple[Any, Any]]:
    """Streams of messages to a server at a URL."""
    from mcp.client.streamable_http import streamable_http_client

    async with open_client(demand) as client:
        client.headers.update({**headers, "accept-encoding": "identity"})
        client.event_hooks = {"response": [_bound]}
        async with streamable_http_client(
            url, http_client=client, max_sse_event_size=MAX_MESSAGE
        ) as streams:
            yield streams[0], streams[1]


async def _bound(response: Any) -> None:
    """Has an answer end when it is too large. Compressed ones were not asked for."""
    import httpx2

    if response.headers.get("content-encoding", "identity") != "identity":
        raise ProviderFailure("the server compresses its answers unasked", code="malformed")

    class Bounded(httpx2.AsyncByteStream):
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = 4 * MAX_MESSAGE
            async for piece in self._stream:
                left -= len(piece)
                if left < 0:
                    raise ProviderFailure("an answer of the server is too large", code="too_large")
                yield piece

        async def aclose(self) -> None:
            await self._stream.aclose()

    response.stream = Bounded(response.stream)


@asynccontextmanager
async def _over_stdio(
    program: str, argv: list[str], folder: str, given: dict[str, str]
) -> AsyncIterator[tuple[Any, Any]]:
    """Streams of messages to a program, which is killed with all it started at the end."""
    import asyncio

    import anyio

    process = await processes.started(program, argv, folder, given, fed=True, heard=False)
    to_us, incoming = anyio.create_memory_object_stream[Any](1)
    outgoing, to_server = anyio.create_memory_object_stream[Any](1)
    tasks = [
        asyncio.create_task(_read(process, to_us)),
        asyncio.create_task(_write(process, to_server)),
    ]
    try:
        yield incoming, outgoing
    finally:
        await ended(tasks)
        for stream in (to_us, incoming, outgoing, to_server):
            stream.close()
        await processes.ended(process)


async def _read(process: asyncio.subprocess.Process, to_us: Any) -> None:
    """Messages are lines. What is no message, or too long a one, ends the connection."""
    from mcp import types
    from mcp.shared.message import SessionMessage

    assert process.stdout is not None
    with to_us:
        pending = bytearray()
        while piece := await process.stdout.read(1 << 16):
            pending += piece
            *lines, rest = pending.split(b"\n")
            for line in lines:
                if line.strip():
                    told = types.jsonrpc_message_adapter.validate_json(bytes(line), by_name=False)
                    await to_us.send(SessionMessage(told))
            pending = rest
            if len(pending) > MAX_MESSAGE:
                return


async def _write(process: asyncio.subprocess.Process, to_server: Any) -> None:
    assert process.stdin is not None
    async with to_server:
        async for sent in to_server:
            text = sent.message.model_dump_json(by_alias=True, exclude_unset=True)
            process.stdin.write(text.encode() + b"\n")
            await process.stdin.drain()


def _tool(item: Any) -> McpTool:
    hints = item.annotations
    return McpTool(
        item.name,
        item.description or item.title or item.name,
        JsonSchema(inlined(item.input_schema)),
        None if item.output_schema is None else JsonSchema(inlined(item.output_schema)),
        None if hints is None else hints.destructive_hint,
    )


def _value(result: Any) -> Any:
    """What a tool gave: its structured content, else its text, else its parts."""
    if result.structured_content is not None:
        return result.structured_content
    parts = [part.model_dump(mode="json", exclude_none=True) for part in result.content]
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


DEFINING = frozenset({"$defs", "definitions"})
MAX_INLINED = 5000
"""Parts of a schema with its references put in place."""


def inlined(schema: Any) -> Any:
    """A schema with each reference to its own definitions replaced by what it refers to.

    Servers write such references for every nested type. One that leads elsewhere, to itself, or
    makes the schema too large, is left open: it takes any value.
    """
    known = {
        f"#/{key}/{name}": part
        for key in DEFINING
        if isinstance(schema.get(key), dict)
        for name, part in schema[key].items()
    }
    left = MAX_INLINED

    def put(part: Any, within: tuple[str, ...]) -> Any:
        nonlocal left
        left -= 1
        if isinstance(part, list):
            return [put(item, within) for item in part]
        if not isinstance(part, dict):
            return part
        reference = part.get("$ref")
        if not isinstance(reference, str):
            return {key: put(item, within) for key, item in part.items()}
        if reference not in known or reference in within or left < 0 or len(within) > 16:
            return {}
        rest = {key: item for key, item in part.items() if key != "$ref"}
        return put(known[reference], (*within, reference)) | put(rest, within)

    return put({key: part for key, part in schema.items() if key not in DEFINING}, ())
