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
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import BadArgument, ProviderFailure
from ..limits import Meter
from .charges import Used, metered_model, size_of, tokens_in
from .failures import failure, is_provider_error
from .kinds import KINDS
from .messages import Message, ModelInfo, ModelOptions, Reply
from .ollama import ollama_models
from .providers import OFFLINE_PROVIDER, Provider, Providers
from .settings import Environment, Settings
from .streams import ModelStream, note_response

if TYPE_CHECKING:
    from httpx2 import AsyncClient
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model
    from pydantic_ai.settings import ModelSettings

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
    ) -> None:
        self.settings = settings
        self.environment = environment
        self.chosen = chosen
        self.notify = notify
        self.providers = Providers(settings.providers, environment)
        self._default: str | None = None
        self._built: dict[str, Model[Any]] = {}
        self._http: AsyncClient | None = None
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
        if wanted in (OFFLINE, "test"):
            return OFFLINE
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
        found = self.providers.get(head)
        if name == OFFLINE:
            return OFFLINE_PROVIDER
        if found is None and head == "google":
            found = self.providers["gemini"]
        if found is None:
            raise self.providers.unknown(name)
        return found

    def model(self, name: str) -> Model[Any]:
        """The pydantic-ai model for a full name. Requests through it are not metered."""
        if name not in self._built:
            if name == OFFLINE:
                from .offline import OfflineModel

                self._built[name] = OfflineModel()
            else:
                provider = self.provider(name)
                self._built[name] = provider.build(
                    _model(name),
                    self.environment,
                    self._client(),
                    {"timeout": self.settings.timeout},
                )
        return self._built[name]

    def _client(self) -> AsyncClient:
        if self._http is None:
            from pydantic_ai.models import create_async_httpx2_client

            self._http = create_async_httpx2_client()
            self._http.event_hooks = {**self._http.event_hooks, "response": [note_response]}
        return self._http

    def metered(self, name: str, meter: Meter) -> Model[Any]:
        """The model with every request reserved before and settled after."""
        wrapped: Model[Any] = metered_model()(self.model(name), self, name, meter)
        return wrapped

    async def request(
        self, name: str, messages: Sequence[Message], options: ModelOptions, meter: Meter
    ) -> Reply:
        """Asks and waits for the whole answer."""
        conversation = _conversation(messages, options)
        timeout = options.timeout or self.settings.timeout
        asked: ModelSettings = {**_model_settings(options), "request_timeout": timeout}
        model = self.metered(name, meter)
        from pydantic_ai.direct import model_request

        try:
            response = await model_request(model, conversation, model_settings=asked)
        except Exception as error:
            mapped = self.map_error(error, name, timeout)
            if mapped is None:
                raise
            raise mapped from error
        return self.reply(name, response, conversation)

    def stream(
        self, name: str, messages: Sequence[Message], options: ModelOptions, meter: Meter
    ) -> ModelStream:
        """Asks and gives the answer piece by piece; nothing is sent before the first `next`."""
        conversation = _conversation(messages, options)
        settings = {"timeout": self.settings.timeout} | _model_settings(options)
        return ModelStream(self, name, conversation, settings, meter)

    def reply(self, name: str, response: ModelResponse, sent: Sequence[ModelMessage]) -> Reply:
        """What a finished response amounts to."""
        # An OpenAI stream that carried nothing at all still says "stop".
        reported = response.finish_reason is not None and not response.usage.unmeasured_requests
        if not response.parts and not reported:
            raise ProviderFailure(
                f"{name} answered something that cannot be read: it is empty", code="malformed"
            )
        used = self.used(name, response, size_of(sent))
        return Reply(response.text or "", name, *used, finish_reason=response.finish_reason)

    def used(self, name: str, response: ModelResponse, sent: int) -> Used:
        """Tokens and dollars of a response; guessed from its length where nothing is reported."""
        usage = response.usage
        complete = response.state == "complete"
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
        return 0.0 if name == OFFLINE else self.provider(name).price(_model(name), usage)

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
        return failure(error, self.provider(name), _model(name), seconds, self.environment)

    def known(self) -> list[ModelInfo]:
        """Models of the providers that have a key, the default, and the offline model."""
        default = self._default or self._chosen() or OFFLINE
        if default == "test":
            default = OFFLINE
        _, _, rest = default.partition("/")
        with suppress(ProviderFailure):
            provider = self.provider(default)
            default = f"{provider.name}/{rest or provider.kind.default_model or ''}"
        names = [default] if default.partition("/")[0] in self.providers else []
        for provider in self.providers.values():
            if provider.kind.listed_as and provider.has_key(self.environment):
                names += [f"{provider.name}/{model}" for model in provider.known()]
        names.append(OFFLINE)
        return [self._info(name, name == default) for name in dict.fromkeys(names)]

    def _info(self, name: str, default: bool) -> ModelInfo:
        if name == OFFLINE:
            return ModelInfo(name, "test", default, input_price=0.0, output_price=0.0)
        provider = self.provider(name)
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


def _model_settings(options: ModelOptions) -> ModelSettings:
    for name in ("max_tokens", "timeout"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise BadArgument(f"options.{name} must be above 0, got {value}")
    given = {
        "temperature": options.temperature,
        "max_tokens": options.max_tokens,
        "top_p": options.top_p,
        "stop_sequences": options.stop,
        "seed": options.seed,
        "timeout": options.timeout,
    }
    settings: Any = {key: value for key, value in given.items() if value is not None}
    asked: ModelSettings = settings
    return asked


def _conversation(messages: Sequence[Message], options: ModelOptions) -> list[ModelMessage]:
    """The messages as pydantic-ai wants them: turns of the user's side and of the model's."""
    from pydantic_ai.messages import (
        ModelRequest,
        ModelRequestPart,
        ModelResponse,
        SystemPromptPart,
        TextPart,
        UserPromptPart,
    )

    if not messages or messages[-1].role == "assistant":
        raise BadArgument("the last of the messages must come from the user")
    if not any(message.role == "user" for message in messages):
        raise BadArgument("one of the messages must come from the user")
    turns: list[ModelMessage] = []
    side: list[ModelRequestPart] = [SystemPromptPart(options.system)] if options.system else []
    for message in messages:
        if message.role == "assistant":
            if side:
                turns.append(ModelRequest(side))
                side = []
            turns.append(ModelResponse([TextPart(message.content)]))
        elif message.role == "system":
            side.append(SystemPromptPart(message.content))
        else:
            side.append(UserPromptPart(message.content))
    return [*turns, ModelRequest(side)]
