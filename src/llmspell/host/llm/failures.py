"""This unit says in one sentence what went wrong with a model provider, and who must act.

    FAILURES                    every exception a request may end with, and how it is reported
    failure(error, ...)         the one ProviderFailure for whatever a provider's library raised
    is_provider_error(error)    whether an exception is a provider's at all
    said_by(error, environment) what the provider itself said, on one line

Exceptions are known by the names of their classes: nothing is imported to look at one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import LlmspellError, ProviderFailure

if TYPE_CHECKING:
    from ..settings import Environment
    from .providers import Provider

CLIPPED = 200
"""Characters of a provider's own text that an error message quotes."""


@dataclass(frozen=True, slots=True)
class Row:
    """How one exception of pydantic-ai is reported."""

    code: str
    retryable: bool
    sentence: str


FAILURES: dict[str, Row] = {
    "ModelAuthenticationError": Row(
        "key_refused", False, "{provider} refused the key: check {key}{said}"
    ),
    "CredentialsRefreshError": Row(
        "key_refused", False, "{provider} refused to renew its credentials: check {key}{said}"
    ),
    "CredentialsPersistenceError": Row(
        "provider", False, "the credentials for {provider} could not be stored{said}"
    ),
    "ModelNotFoundError": Row(
        "model_unknown", False, "{provider} at {url} has no model {model!r}{hint}{said}"
    ),
    "ModelContextWindowExceededError": Row(
        "context_length", False, "the messages are too long for {name}: send fewer or shorter ones"
    ),
    "ModelRequestRejectedError": Row("rejected", False, "{name} rejected the request{said}"),
    "ModelRateLimitError": Row(
        "rate_limited", True, "{provider} allows no more requests now: try again {later}"
    ),
    "ModelQuotaExceededError": Row(
        "quota", False, "the quota or credit for {provider} is used up: check its billing{said}"
    ),
    "ModelRequestTimeout": Row(
        "timeout", True, "{name} gave no answer within {seconds}: raise the timeout"
    ),
    "ModelTimeoutError": Row(
        "timeout", True, "{name} gave no answer within {seconds}: raise the timeout"
    ),
    "ModelConnectionError": Row(
        "unreachable", True, "cannot talk to {provider} at {url} (see {url_from}){said}"
    ),
    "ModelOverloadedError": Row("server_error", True, "{provider} is overloaded{said}"),
    "ModelUnavailableError": Row("server_error", True, "{provider} is unavailable now{said}"),
    "ModelServerError": Row("server_error", True, "{provider} failed{said}"),
    "BatchJobError": Row("provider", False, "a batch of {provider} failed{said}"),
    "ModelHTTPError": Row("provider", False, "{provider} failed with status {status}{said}"),
    "ModelAPIError": Row("provider", False, "{provider} failed{said}"),
    "ContentFilterError": Row(
        "content_filter", False, "{provider} refused to answer: its content filter stepped in"
    ),
    "OutputTokenLimitExceeded": Row(
        "output_length", False, "the answer of {name} did not fit: raise max_tokens"
    ),
    "UnexpectedModelBehavior": Row(
        "malformed", False, "{name} answered something that cannot be read{said}"
    ),
}
"""Every exception of pydantic-ai that a request may end with; subclasses share the nearest row."""


def failure(
    error: BaseException, provider: Provider, model: str, timeout: float, environment: Environment
) -> ProviderFailure:
    """One clear sentence for what went wrong: who must act, and on what."""
    row = _row(error)
    said = said_by(error, environment)
    wait = getattr(error, "retry_after", None)
    suggested = getattr(error, "suggested_model_id", None)
    seconds = getattr(error, "timeout", None)
    message = row.sentence.format(
        name=f"{provider.name}/{model}",
        provider=provider.name,
        model=model,
        key=provider.key_names,
        url=provider.shown_url,
        url_from=provider.base_url_from,
        status=getattr(error, "status_code", "?"),
        seconds=f"{seconds if isinstance(seconds, int | float) else timeout:g} s",
        later="later" if wait is None else f"in {wait:g} s",
        hint=f"; did you mean {suggested}?" if suggested else "",
        said=f": {said}" if said else "",
    )
    reported = ProviderFailure(message, code=row.code, retryable=row.retryable)
    if wait is not None:
        reported.details = {"context": {"retry_after": wait}}
    return reported


def is_provider_error(error: BaseException) -> bool:
    """Whether an exception comes from a provider or the library that talks to it."""
    names = {cls.__name__ for cls in type(error).__mro__ if cls.__module__ != "builtins"}
    library = type(error).__module__.partition(".")[0] in _LIBRARIES
    return isinstance(error, Exception) and (library or not names.isdisjoint(FAILURES))


_HTTP_LIBRARIES = ("httpx", "httpx2", "httpcore", "httpcore2")
_LIBRARIES = (*_HTTP_LIBRARIES, "openai", "anthropic", "google", "pydantic_ai")


def _row(error: BaseException) -> Row:
    names = [cls.__name__ for cls in type(error).__mro__]
    found = next((name for name in names if name in FAILURES), None)
    if found == "ModelAPIError" and "JSON" in str(error):
        found = "UnexpectedModelBehavior"  # pydantic-ai has no class for an undecodable body
    if found is None:
        library = type(error).__module__.partition(".")[0]
        if library in _HTTP_LIBRARIES:
            found = "ModelConnectionError"
        elif library in _LIBRARIES:
            found = "ModelAPIError"
        else:
            # SDKs stumble over a wrong shape with TypeError, KeyError and the like.
            found = "UnexpectedModelBehavior"
    return FAILURES[found]


def said_by(error: BaseException, environment: Environment) -> str:
    """What the provider itself said, on one line; nothing when that is a page of HTML."""
    body: Any = getattr(error, "body", None)
    while isinstance(body, dict):
        body = body.get("error") or body.get("message") or body.get("detail")
    if isinstance(body, list) and body:
        body = body[0]
    text = body if isinstance(body, str) else getattr(error, "message", "")
    cause: BaseException | None = error
    while body is None and cause is not None and (cause := cause.__cause__) is not None:
        if isinstance(cause, LlmspellError):
            text = cause.message  # what refused the connection is ours, and knows why
            break
    if body is None and hasattr(error, "status_code"):
        text = ""  # the exception's own text repeats status, model and headers
    # Before it is clipped: half a secret is a secret too.
    text = environment.redact(" ".join(str(text).split()))
    if "<" in text and ("</" in text or "<html" in text.lower() or "<!" in text):
        return ""
    return text if len(text) <= CLIPPED else text[: CLIPPED - 3] + "..."
