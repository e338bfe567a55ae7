"""This unit takes models that a program gives its session: doubles, and those of pydantic-ai."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ..doubles.doubles import Double

if TYPE_CHECKING:
    from pydantic_ai.models import Model

    Given = Double | Model[Any]

FREE = ("mock", "test", "*")
"""Providers of what costs nothing."""


def given_models(models: Mapping[str, Given]) -> dict[str, Given]:
    """The models by full names or patterns of them. Raises UsageError for what is none."""
    named: dict[str, Given] = {}
    for name, model in models.items():
        if isinstance(model, Double):
            named[name if "/" in name or name == "*" else f"mock/{name}"] = model
            continue
        # Known by its name: whoever has none of them need not import the library.
        bases = {f"{cls.__module__}.{cls.__name__}" for cls in type(model).__mro__}
        if "pydantic_ai.models.Model" not in bases:
            raise UsageError(
                f"models[{name!r}] must be a model of pydantic-ai or a double of llmspell.testing, "
                f"got {type(model).__name__}"
            )
        if "/" not in name or name.partition("/")[0] in FREE:
            raise UsageError(
                f"models[{name!r}]: a model of pydantic-ai needs a name like 'acme/large', by "
                "which it is granted and its price is looked up"
            )
        named[name] = model
    return named
