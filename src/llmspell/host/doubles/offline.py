"""This unit provides "test/offline", the model that answers without any network.

It is deterministic: offered tools are called once per question with arguments made from their
schema, an output schema is filled, tool results are repeated, and a plain question is answered
with `[offline test model] 3 words about: Who wrote Faust`. A schema's own `const`, `example`,
`examples`, `default` and `enum` values are preferred over made-up ones.

Importing this unit imports pydantic-ai; import it only to build the model.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.test import TestModel
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

QUOTED = 12
"""Words of the question that an answer repeats."""

_SCHEMA_MAPS = ("properties", "$defs", "definitions", "patternProperties")


class OfflineModel(TestModel):
    """The model "test/offline"."""

    def __init__(self) -> None:
        super().__init__(
            model_name="offline", profile=ModelProfile(supports_json_schema_output=True)
        )

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Answers after others had a turn: there is nothing it waits for."""
        await asyncio.sleep(0)
        return await super().request(messages, model_settings, model_request_parameters)

    def _request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        # TestModel calls tools only in a conversation without any answer; here every question
        # starts afresh.
        turn = messages[_last_question(messages) :]
        asked_for = model_request_parameters.output_object
        if asked_for and model_request_parameters.output_mode in ("native", "prompted"):
            tools = [*model_request_parameters.function_tools]
            if not tools or any(isinstance(message, ModelResponse) for message in turn):
                filled = self._fill(asked_for.json_schema)
                return ModelResponse([TextPart(json.dumps(filled))], model_name=self.model_name)
        return super()._request(turn, model_settings, model_request_parameters)

    def _text_response(
        self, messages: list[ModelMessage], response_text: str | None
    ) -> ModelResponse:
        results = [
            f"{part.tool_name} said {part.model_response_str()}"
            for message in messages
            if isinstance(message, ModelRequest)
            for part in message.parts
            if isinstance(part, ToolReturnPart)
        ]
        if results:
            text = "[offline test model] " + "; ".join(results)
        else:
            words = _question(messages).split()
            quoted = " ".join(words[:QUOTED])
            text = f"[offline test model] {len(words)} words about: {quoted}"
        return ModelResponse([TextPart(text)], model_name=self.model_name)

    def gen_tool_args(self, tool_def: ToolDefinition) -> Any:
        """Arguments that fit the schema of a tool."""
        return self._fill(tool_def.parameters_json_schema, tool_def)

    def _fill(self, schema: dict[str, Any], tool: ToolDefinition | None = None) -> Any:
        simpler = preferring_given_values(schema)
        if "const" in simpler:
            return simpler["const"]
        tool = tool or ToolDefinition(name="output")
        return super().gen_tool_args(dataclasses.replace(tool, parameters_json_schema=simpler))


def preferring_given_values(schema: Any) -> Any:
    """The schema with each value it offers itself made the only one, in what TestModel reads."""
    if not isinstance(schema, dict):
        return schema
    for given in (schema.get("example"), *_first(schema.get("examples")), schema.get("default")):
        if given is not None and "const" not in schema:
            return {"const": given}
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _SCHEMA_MAPS and isinstance(value, dict):
            made[key] = {name: preferring_given_values(part) for name, part in value.items()}
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
            made[key] = [preferring_given_values(part) for part in value]
        elif key == "type" and isinstance(value, list):
            made[key] = next((name for name in value if name != "null"), "null")
        elif key == "additionalProperties" and value is True:
            continue  # permission for more is no wish for more
        else:
            made[key] = preferring_given_values(value)
    return made


def _first(values: Any) -> list[Any]:
    return values[:1] if isinstance(values, list) else []


def _last_question(messages: list[ModelMessage]) -> int:
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if isinstance(message, ModelRequest) and any(
            isinstance(part, UserPromptPart) for part in message.parts
        ):
            return index
    return 0


def _question(messages: list[ModelMessage]) -> str:
    """The text of the last user message."""
    for message in reversed(messages):
        for part in reversed(message.parts):
            if isinstance(part, UserPromptPart):
                content = part.content
                if isinstance(content, str):
                    return content
                return " ".join(item for item in content if isinstance(item, str))
    return ""
