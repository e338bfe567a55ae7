"""What the model of an agent is told: the tools it has, and the form its answer must have.

    Wanted      parameters and instructions of every request of one agent in one run

An agent without tools has its provider hold the form, where that can; beside tools the form is one
more tool, because not every provider takes both, and a model held to a form may answer too soon.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..schemas import structured

if TYPE_CHECKING:
    from pydantic_ai.models import Model, ModelRequestParameters
    from pydantic_ai.tools import ToolDefinition

    from ..llm.models import Models
    from .agent import Agent


class Wanted:
    """What is wanted of a model. `mode` is how it is told the form of the answer, or ""."""

    def __init__(
        self, models: Models, model: Model[Any], agent: Agent, tools: list[ToolDefinition]
    ) -> None:
        self._models, self._agent, self._tools = models, agent, tools
        self._modes: list[str] = []
        if agent.form is not None:
            known = structured.modes_of(models, agent.model, model)
            self._modes = ["tool"] if tools else known

    @property
    def mode(self) -> str:
        """How the model is told the form of its answer."""
        return self._modes[0] if self._modes else ""

    def parameters(self) -> ModelRequestParameters:
        """Tools and form as a request has them."""
        from pydantic_ai.models import ModelRequestParameters

        form = self._agent.form
        asked = ModelRequestParameters() if form is None else form.parameters(self.mode)
        return replace(asked, function_tools=self._tools)

    def instructions(self) -> str | None:
        """What the model is told before all else."""
        form, system = self._agent.form, self._agent.options.system
        if form is None or self.mode != "prompted":
            return system
        told = structured.IN_WORDS + json.dumps(form.sent, ensure_ascii=False)
        return "\n\n".join(filter(None, (system, told)))

    def refused(self, code: str) -> bool:
        """Notes that the provider does not take the form so. Tells whether there is another way."""
        if code != "rejected" or len(self._modes) < 2:
            return False
        structured.note_refused(self._models, self._agent.model, self._modes.pop(0))
        return True
