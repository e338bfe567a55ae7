"""http: requests to the granted hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..capability import capability
from ..errors import BadArgument
from ..host.context import Context
from ..host.formats import documents
from ..host.net import web_search
from ..host.net.web_search import WebResult, WebSearchOptions


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """How to make a request.

    method: GET, POST, ...
    headers: request headers.
    body: what to send.
    json: a value to send as JSON; sets the content type.
    timeout: seconds until the request is given up.
    follow: whether to follow redirects.
    """

    method: str | None = None
    headers: dict[str, str] | None = None
    body: bytes | None = None
    json: Any = None
    timeout: float | None = None
    follow: bool = True


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. A status of 400 and above is an answer too, not an error.

    status: the status code.
    ok: whether the status is below 400.
    headers: response headers, names in lower case.
    body: the content; bytes when it is not UTF-8 text.
    url: where it came from, after redirects.
    """

    status: int
    ok: bool
    headers: dict[str, str]
    body: str | bytes
    url: str


@dataclass(frozen=True, slots=True)
class Page:
    """A web page for reading.

    url: where it came from, after redirects.
    title: its title, or "".
    content_type: its media type.
    text: its content; Markdown when it was HTML.
    """

    url: str
    title: str
    content_type: str
    text: str


@capability("http.request", since="0.1", needs="net", tool="http_request")
async def request(ctx: Context, url: str, options: RequestOptions = RequestOptions()) -> Response:
    """Makes an HTTP request.

    url: an http or https address.
    options: method, headers, body and so on.
    returns: the answer.
    """
    headers, body = dict(options.headers or {}), _content(options)
    if options.json is not None:
        headers.setdefault("content-type", "application/json")
    method = options.method or ("GET" if body is None else "POST")
    reply = await ctx.services.http.request(
        method, url, headers=headers, body=body, timeout=options.timeout, follow=options.follow
    )
    text = documents.text_or_bytes(reply.body)
    return Response(reply.status, reply.status < 400, reply.headers, text, reply.url)


def _content(options: RequestOptions) -> bytes | None:
    if options.json is None:
        return options.body
    if options.body is not None:
        raise BadArgument("options.body and options.json are two contents: give one")
    return documents.to_json(options.json).encode()


@capability("http.get", since="0.1", needs="net")
async def get(ctx: Context, url: str, headers: dict[str, str] | None = None) -> Response:
    """Makes a GET request.

    url: an http or https address.
    headers: request headers.
    returns: the answer.
    """
    return await request(ctx, url, RequestOptions("GET", headers))


@capability("http.post", since="0.1", needs="net")
async def post(
    ctx: Context, url: str, body: bytes, headers: dict[str, str] | None = None
) -> Response:
    """Makes a POST request.

    url: an http or https address.
    body: what to send.
    headers: request headers.
    returns: the answer.
    """
    return await request(ctx, url, RequestOptions("POST", headers, body))


@capability("http.fetch", since="0.1", needs="net", tool="web_fetch")
async def fetch(ctx: Context, url: str) -> Page:
    """Fetches a web page for reading: HTML becomes Markdown.

    url: an http or https address.
    returns: the page.
    """
    return Page(*await ctx.services.http.fetch_page(url))


@capability("http.search", since="0.1", needs="net", tool="web_search")
async def search(
    ctx: Context, query: str, options: WebSearchOptions = WebSearchOptions()
) -> list[WebResult]:
    """Searches the web as the settings say: with a SearXNG server (`search_url`), or DuckDuckGo
    (`search_engine`). The host needs a grant as any other.

    query: what to search for.
    options: how many results, and in which language.
    returns: the results, the best first.
    """
    settings = ctx.services.settings
    where = (settings.search_engine, settings.search_url)
    return await web_search.search(ctx.services.http, *where, query, options)
