"""This unit asks language models: which one, within what budget, and what became of it.

    Models(settings, environment, chosen)
        default() name()       which model is meant, as "provider/model"
        request() stream()     one answer, whole or piece by piece, charged to a Meter
        metered() map_error()  the same budgets and errors for whoever runs agents
        model()                the bare pydantic-ai model
        known() aclose()

The default is the first of: `chosen`, $LLMSPELL_MODEL, the configuration file, the first provider
whose key is in the environment, an Ollama that answers, and the offline test model.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ...errors import HostFailure, ProviderFailure
from ...limits import Meter
from ..doubles.doubles import Double
from ..pools.tallies import Tallies
from ..settings import Environment, Settings
from .charges import Used, metered_model, size_of, tokens_in
from .conversations import attached_bytes, conversation_of, settings_of
from .failures import failure, is_provider_error
from .kinds import KINDS
from .messages import Message, ModelInfo, ModelOptions, Reply, TokenUsage
from .ollama import ollama_models
from .providers import OFFLINE_PROVIDER, Provider, Providers, answered_by, check_name, stand_in
from .streams import ModelStream, note_response

if TYPE_CHECKING:
    from httpx2 import AsyncClient
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model, ModelRequestParameters
    from pydantic_ai.settings import ModelSettings

    from ..pools.roster import Roster
    from .given import Given


CONNECT_TIMEOUT = 30.0
"""Seconds a connection to a provider may take to be there, where a request allows as much."""

MAX_CARRIED = 64 * 1024 * 1024
"""Bytes of images and files that are read for, or on their way to, providers at the same time."""

MAX_BUILT = 256
"""Models kept for the next request: scripts may name any number of them."""

OFFLINE = "test/offline"
OFFLINE_NOTICE = (
    "no model configured: answering with the offline test model (set OPENAI_API_KEY, or --model)"
)


def _to_stderr(text: str) -> None:
    sys.stderr.write(text + "\n")


class Models:
    """The models of one session. One event loop uses it, and closes it with `aclose`."""

    def __init__(
        self,
        settings: Settings,
        environment: Environment,
        chosen: str | None = None,
        notify: Callable[[str], None] = _to_stderr,
        given: Mapping[str, Given] | None = None,
    ) -> None:
        self.settings = settings
        self.environment = environment
        self.chosen = chosen
        self.notify = notify
        self.providers = Providers(settings.providers, environment)
        self._given = given or {}
        self.tallies = Tallies()
        self.rosters: WeakValueDictionary[int, Roster] = WeakValueDictionary()
        self._default: str | None = None
        self._built: dict[str, Model[Any]] = {}
        self._http: AsyncClient | None = None
        self._carried = 0
        self.streams: set[ModelStream] = set()

    async def default(self) -> str:
        """The model that is asked when none is named."""
        if self._default is None:
            chosen = self._chosen()
            self._default = await (self.name(chosen) if chosen else self._fallback())
        return self._default

    def _chosen(self) -> str | None:
        wanted = self.chosen or self.environment.get("LLMSPELL_MODEL") or self.settings.model
        with_key = (
            name
            for name, provider in self.providers.items()
            if provider.kind.default_model and provider.has_key(self.environment)
        )
        return wanted or next(with_key, None)

    async def _fallback(self) -> str:
        if self.given(OFFLINE):
            return OFFLINE
        installed = await ollama_models(self.providers["ollama"].base_url)
        if installed:
            return f"ollama/{installed[0]}"
        if self._default is None:
            self._default = OFFLINE  # before telling: two calls at once tell it once
            self.notify(OFFLINE_NOTICE)
        return OFFLINE

    async def name(self, wanted: str | None) -> str:
        """The full "provider/model" for what was asked; the default for None."""
        if not wanted:
            return await self.default()
        check_name(wanted)
        if wanted in (OFFLINE, "test"):
            return OFFLINE
        for full in (wanted, f"mock/{wanted}"):
            if "/" in full and self.given(full):
                return full
        head, _, rest = wanted.partition("/")
        provider = self.provider(wanted)
        model = rest or provider.kind.default_model
        if not model and provider.kind is KINDS["ollama"]:
            installed = await ollama_models(provider.base_url, patience=2)
            if not installed:
                raise ProviderFailure(
                    f"no Ollama with a model answers at {provider.shown_url}: start it, or set "
                    f"{provider.base_url_from}",
                    code="unreachable",
                    retryable=True,
                )
            model = installed[0]
        if not model:
            raise ProviderFailure(
                f"{head} has no default model: write {head}/MODEL", code="model_unknown"
            )
        return f"{provider.name}/{model}"

    def provider(self, name: str) -> Provider:
        """The provider of a model. Raises ProviderFailure(code="model_unknown")."""
        head = name.partition("/")[0]
        found = self.providers.get(self.providers.own_name(head))
        if name == OFFLINE:
            return OFFLINE_PROVIDER
        if found is None:
            raise self.providers.unknown(name)
        return found

    def model(self, name: str) -> Model[Any]:
        """The pydantic-ai model for a full name. Requests through it are not metered."""
        model = self._built.pop(name, None)
        if model is None:
            model = self._build(name)
        self._built[name] = model  # at the end: the first is the one that was not asked for longest
        if len(self._built) > MAX_BUILT:
            del self._built[next(iter(self._built))]
        return model

    def _build(self, name: str) -> Model[Any]:
        if given := self.given(name):
            if not isinstance(given, Double):
                return given
            from ..doubles.scripted import ScriptedModel

            return ScriptedModel(given, name)
        if name == OFFLINE:
            from ..doubles.offline import OfflineModel

            return OfflineModel()
        patience: ModelSettings = {"timeout": self.settings.timeout}
        return self.provider(name).build(_model(name), self.environment, self.http, patience)

    @property
    def http(self) -> AsyncClient:
        """The HTTP client of all providers but those that scripts have named."""
        if self._http is None:
            from httpx2 import Timeout
            from pydantic_ai.models import create_async_httpx2_client

            # A thousand connections begun at once take longer than the 5 s that is the default.
            patience = Timeout(self.settings.timeout, connect=CONNECT_TIMEOUT)
            self._http = create_async_httpx2_client(timeout=patience)
            self._http.event_hooks = {**self._http.event_hooks, "response": [note_response]}
        return self._http

    def metered(self, name: str, meter: Meter) -> Model[Any]:
        """The model with every request reserved before and settled after."""
        model = self.bare(name, meter)
        roster = self.rosters.get(id(meter.root))
        if roster and name in roster.pools:
            return model  # every request to its members is metered
        wrapped: Model[Any] = metered_model()(model, self, name, meter)
        return wrapped if meter.around is None else meter.around(wrapped, name)

    def bare(self, name: str, meter: Meter) -> Model[Any]:
        """The model of a full name, which the script of this run may have made."""
        roster = self.rosters.get(id(meter.root))
        own = roster.model(name, meter) if roster else None
        return self.model(name) if own is None else own

    def given(self, name: str) -> Given | None:
        """What the program has given for a model: under its name, else the first pattern's."""
        if name in self._given:
            return self._given[name]
        return next((m for pattern, m in self._given.items() if fnmatchcase(name, pattern)), None)

    async def request(
        self,
        name: str,
        messages: Sequence[Message],
        options: ModelOptions,
        meter: Meter,
    ) -> Reply:
        """Asks and waits for the whole answer."""
        conversation = conversation_of(messages, options)
        with self.carrying() as carry:
            carry(attached_bytes(messages))
            response = await self.respond(name, conversation, options, meter)
        return self.reply(name, response, conversation)

    @contextmanager
    def carrying(self) -> Iterator[Callable[[int], None]]:
        """Gives what is to be told of bytes of images and files before they are kept.

        They count until the end of it. Raises HostFailure(code="too_large") for too many.
        """
        carried = 0

        def carry(size: int) -> None:
            nonlocal carried
            if size and self._carried + size > MAX_CARRIED:
                raise HostFailure(
                    f"images and files of more than {MAX_CARRIED} bytes are being sent at once: "
                    "send fewer at the same time",
                    code="too_large",
                    retryable=True,
                )
            self._carried += size
            carried += size

        try:
            yield carry
        finally:
            self._carried -= carried

    async def respond(
        self,
        name: str,
        conversation: Sequence[ModelMessage],
        options: ModelOptions,
        meter: Meter,
        parameters: ModelRequestParameters | None = None,
    ) -> ModelResponse:
        """One answer as pydantic-ai has it; `parameters` say which form it is to have."""
        timeout = options.timeout or self.settings.timeout
        model = self.metered(name, meter)
        asked = settings_of(options)
        asked["request_timeout"] = timeout
        from pydantic_ai.direct import model_request

        try:
            return await model_request(
                model, conversation, model_settings=asked, model_request_parameters=parameters
            )
        except Exception as error:
            mapped = self.map_error(error, name, timeout)
            if mapped is None:
                raise
            raise mapped from error

    def stream(
        self,
        name: str,
        messages: Sequence[Message],
        options: ModelOptions,
        meter: Meter,
    ) -> ModelStream:
        """Asks and gives the answer piece by piece; nothing is sent before the first `next`."""
        stream = self.respond_in_pieces(name, conversation_of(messages, options), options, meter)
        stream.load(attached_bytes(messages))
        return stream

    def respond_in_pieces(
        self,
        name: str,
        conversation: list[ModelMessage],
        options: ModelOptions,
        meter: Meter,
        parameters: ModelRequestParameters | None = None,
    ) -> ModelStream:
        """The same of a conversation as pydantic-ai has it, in the form `parameters` say."""
        settings = {"timeout": self.settings.timeout} | settings_of(options)
        return ModelStream(self, name, conversation, settings, meter, parameters)

    def reply(self, name: str, response: ModelResponse, sent: Sequence[ModelMessage]) -> Reply:
        """What a finished response amounts to."""
        name = answered_by(response) or name
        self.check_readable(name, response)
        used = self.used(name, response, size_of(sent))
        counts, text = response.usage, response.text or ""
        usage = TokenUsage(
            used.input_tokens,
            used.output_tokens,
            used.input_tokens + used.output_tokens,
            counts.cache_read_tokens or None,
            counts.output_reasoning_tokens or None,
        )
        return Reply(text, name, *used, response.finish_reason, response.thinking, usage)

    def check_readable(self, name: str, response: ModelResponse) -> None:
        """Raises ProviderFailure for a response that holds nothing."""
        # An OpenAI stream that carried nothing at all still says "stop".
        reported = response.finish_reason is not None and not response.usage.unmeasured_requests
        if not response.parts and not reported:
            raise ProviderFailure(
                f"{name} answered something that cannot be read: it is empty", code="malformed"
            )

    def used(self, name: str, response: ModelResponse, sent: int) -> Used:
        """Tokens and dollars of a response; guessed from its length where nothing is reported."""
        name = answered_by(response) or name
        usage = response.usage
        complete = response.state == "complete"
        if min(usage.input_tokens, usage.output_tokens) < 0:
            # The server may be one of the script: what it says must not give tokens back.
            usage = type(usage)()
        if complete and usage.input_tokens and usage.output_tokens:
            return Used(usage.input_tokens, usage.output_tokens, self.cost(name, usage))
        # Nothing was reported, or the answer was cut off before the final report came.
        guess = tokens_in(response.text or "")
        received = usage.output_tokens or guess if complete else max(guess, usage.output_tokens)
        counts = (usage.input_tokens or sent, received)
        return Used(*counts, self.cost_of(name, *counts))

    def cost_of(self, name: str, input_tokens: int, output_tokens: int) -> float | None:
        """US dollars for so many tokens, or None when the price is unknown."""
        from genai_prices import Usage

        return self.cost(name, Usage(input_tokens=input_tokens, output_tokens=output_tokens))

    def cost(self, name: str, usage: Any) -> float | None:
        """US dollars for a usage report, or None when the price is unknown."""
        if name == OFFLINE or name.startswith("mock/"):
            return 0.0
        return self._shown(name).price(_model(name), usage)

    def map_error(
        self, error: BaseException, name: str, timeout: float | None = None
    ) -> ProviderFailure | None:
        """The ProviderFailure for an error of a provider or its library; None for any other."""
        if not is_provider_error(error):
            return None
        return self.failure(error, name, timeout)

    def failure(
        self, error: BaseException, name: str, timeout: float | None = None
    ) -> ProviderFailure:
        """The ProviderFailure for whatever came out of a provider's library."""
        seconds = timeout or self.settings.timeout
        return failure(error, self._shown(name), _model(name), seconds, self.environment)

    def _shown(self, name: str) -> Provider:
        """The provider of a model; what stands for it where only a script knows it."""
        if name == OFFLINE or name.partition("/")[0] in self.providers:
            return self.provider(name)
        where = "models of the Session" if self.given(name) else "options.base_url"
        return stand_in(name.partition("/")[0], where)

    async def known(self, may: Callable[[str], bool] = lambda provider: True) -> list[ModelInfo]:
        """Models of the program, of the providers that have a key, the default, those of an Ollama
        that answers, and the offline model. An Ollama is only asked when `may` says so."""
        default = self._default or self._chosen() or OFFLINE
        if default == "test":
            default = OFFLINE
        _, _, rest = default.partition("/")
        with suppress(ProviderFailure):
            provider = self.provider(default)
            default = f"{provider.name}/{rest or provider.kind.default_model or ''}"
        names = [default] if default.partition("/")[0] in self.providers else []
        names += [name for name in self._given if "*" not in name]
        for provider in self.providers.values():
            if provider.kind.listed_as and provider.has_key(self.environment):
                names += [f"{provider.name}/{model}" for model in provider.known()]
        if may("ollama"):
            installed = await ollama_models(self.providers["ollama"].base_url)
            names += [f"ollama/{model}" for model in installed]
        names.append(OFFLINE)
        return [self._info(name, name == default) for name in dict.fromkeys(names)]

    def _info(self, name: str, default: bool) -> ModelInfo:
        if name == OFFLINE or name.startswith("mock/"):
            head = name.partition("/")[0]
            return ModelInfo(name, head, default, input_price=0.0, output_price=0.0)
        provider = self._shown(name)
        return ModelInfo(name, provider.name, default, *provider.listed(_model(name)))

    async def aclose(self) -> None:
        """Ends every stream and closes every connection."""
        for stream in tuple(self.streams):
            await stream.close()
        self._built.clear()
        client, self._http = self._http, None
        if client is not None:
            await client.aclose()


def _model(name: str) -> str:
    return name.partition("/")[2]
