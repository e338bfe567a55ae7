"""This unit searches the web, with a SearXNG server of the user's choice or with DuckDuckGo.

    search(http, engine, server, query, options)    the results, the best first

The request goes the way of all requests of a script: its host needs a grant, and its address is
checked. DuckDuckGo has no interface for programs: its page for browsers without scripts is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from ...errors import BadArgument, HostFailure, ProviderFailure

if TYPE_CHECKING:
    from .http import Http, Reply

MAX_RESULTS = 50
MAX_QUERY = 1000
"""Characters of what is searched for."""

MAX_TEXT = 2000
"""Characters of a part of a result."""

DUCKDUCKGO = "https://html.duckduckgo.com/html/"


@dataclass(frozen=True, slots=True)
class WebSearchOptions:
    """How to search the web.

    limit: how many results at most, up to 50; DuckDuckGo gives about 10.
    language: such as "en"; the choice of the server when left out.
    """

    limit: int = 10
    language: str | None = None


@dataclass(frozen=True, slots=True)
class WebResult:
    """One result of a search.

    title: title of the page.
    url: its address.
    snippet: what it says, in short.
    """

    title: str
    url: str
    snippet: str


async def search(
    http: Http, engine: str | None, server: str | None, query: str, options: WebSearchOptions
) -> list[WebResult]:
    """The results of a query, the best first."""
    duckduckgo = engine == "duckduckgo"
    if server is None and not duckduckgo:
        raise HostFailure(
            "no search server is set: write search_url = \"http://localhost:8888\" (a SearXNG "
            "server that answers JSON), or search_engine = \"duckduckgo\", into the configuration "
            "file",
            code="not_configured",
        )  # fmt: skip
    if not 1 <= options.limit <= MAX_RESULTS:
        raise BadArgument(f"limit must be 1 to {MAX_RESULTS}, got {options.limit}")
    if not query.strip() or len(query) > MAX_QUERY:
        raise BadArgument(f"query must have 1 to {MAX_QUERY} characters")
    ask = _duckduckgo if duckduckgo else _searxng
    try:
        return (await ask(http, server or DUCKDUCKGO, query, options.language))[: options.limit]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ProviderFailure(
            "the search server's answer cannot be read", code="malformed"
        ) from None


async def _searxng(http: Http, server: str, query: str, language: str | None) -> list[WebResult]:
    asked = {"q": query, "format": "json"}
    if language is not None:
        asked["language"] = language
    reply = await http.request("GET", f"{server.rstrip('/')}/search?{urlencode(asked)}")
    if reply.status == 403:
        raise ProviderFailure(
            "the search server refuses JSON: add json to search.formats in its settings.yml",
            code="refused",
        )
    _check(reply)
    return [_result(item) for item in json.loads(reply.body)["results"][:MAX_RESULTS]]


async def _duckduckgo(http: Http, server: str, query: str, language: str | None) -> list[WebResult]:
    headers = {"accept": "text/html"} | ({"accept-language": language} if language else {})
    asked = f"{server}?{urlencode({'q': query})}"
    reply = await http.request("GET", asked, headers=headers)
    if reply.status in (202, 403):
        raise ProviderFailure(
            "DuckDuckGo wants to know whether a person is asking: search less often, or use a "
            "SearXNG server",
            code="refused",
        )
    _check(reply)
    page = reply.body.decode(errors="replace")
    found = list(_results(page))
    if not found and "no-results" not in page:
        raise ValueError("a page of another form")
    return found


def _check(reply: Reply) -> None:
    if reply.status != 200:
        again = reply.status == 429 or reply.status >= 500
        told = f"the search server answered with status {reply.status}"
        raise ProviderFailure(told, code="status", retryable=again)


def _result(item: Any) -> WebResult:
    # A server may tell half of a character, which no text may have.
    given = (str(item.get(name) or "")[:MAX_TEXT] for name in ("title", "url", "content"))
    return WebResult(*(text.encode(errors="replace").decode() for text in given))


def _results(page: str) -> Iterator[WebResult]:
    """The results of a page of DuckDuckGo: each is a link, and mostly another one that says more.

    Link by link, because that takes linear time whatever the page is.
    """
    title = url = ""
    for link in page.split("<a ")[1:]:
        tag, _, rest = link.partition(">")
        kind, text = _attribute(tag, "class"), _plain(rest.partition("</a>")[0])
        if "result__a" in kind:
            if url:
                yield WebResult(title, url, "")
            title, url = text, _target(_attribute(tag, "href"))
        elif "result__snippet" in kind and url:
            yield WebResult(title, url, text)
            url = ""
    if url:
        yield WebResult(title, url, "")


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', tag[: 2 * MAX_TEXT])
    return unescape(found[1]) if found else ""


def _target(link: str) -> str:
    """Where a result leads; nothing for an advertisement. Most go through a page that counts."""
    parts = urlsplit(link)
    counted = parts.netloc.endswith("duckduckgo.com")
    url = parse_qs(parts.query).get("uddg", [""])[0] if counted else link
    own = urlsplit(url).netloc.endswith("duckduckgo.com")
    return url[:MAX_TEXT] if url.startswith(("http://", "https://")) and not own else ""


def _plain(html: str) -> str:
    first, *others = html[: 2 * MAX_TEXT].split("<")
    text = first + "".join(part.partition(">")[2] for part in others)
    return unescape(" ".join(text.split()))[:MAX_TEXT]
