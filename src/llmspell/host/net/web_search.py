"""Web search, asked of a SearXNG server of the user's choice.

The request goes the way of all requests of a script: its host needs a grant, and its address is
checked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ...errors import BadArgument, HostFailure, ProviderFailure

if TYPE_CHECKING:
    from .http import Http

MAX_RESULTS = 50
MAX_QUERY = 1000
"""Characters of what is searched for."""

MAX_TEXT = 2000
"""Characters of a part of a result."""


@dataclass(frozen=True, slots=True)
class WebSearchOptions:
    """How to search the web.

    limit: how many results at most, up to 50.
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
    http: Http, server: str | None, query: str, options: WebSearchOptions
) -> list[WebResult]:
    """The results of a query, the best first."""
    if server is None:
        raise HostFailure(
            "no search server is set: write search_url = \"http://localhost:8888\" (a SearXNG "
            "server that answers JSON) into the configuration file",
            code="not_configured",
        )  # fmt: skip
    if not 1 <= options.limit <= MAX_RESULTS:
        raise BadArgument(f"limit must be 1 to {MAX_RESULTS}, got {options.limit}")
    if not query.strip() or len(query) > MAX_QUERY:
        raise BadArgument(f"query must have 1 to {MAX_QUERY} characters")
    asked = {"q": query, "format": "json"}
    if options.language is not None:
        asked["language"] = options.language
    reply = await http.request("GET", f"{server.rstrip('/')}/search?{urlencode(asked)}")
    if reply.status == 403:
        raise ProviderFailure(
            "the search server refuses JSON: add json to search.formats in its settings.yml",
            code="refused",
        )
    if reply.status != 200:
        again = reply.status == 429 or reply.status >= 500
        told = f"the search server answered with status {reply.status}"
        raise ProviderFailure(told, code="status", retryable=again)
    try:
        results = json.loads(reply.body)["results"]
        return [_result(item) for item in results[: options.limit]]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ProviderFailure(
            "the search server's answer cannot be read", code="malformed"
        ) from None


def _result(item: Any) -> WebResult:
    parts = [str(item.get(name) or "")[:MAX_TEXT] for name in ("title", "url", "content")]
    return WebResult(*parts)
