"""This unit keeps what a script wants to hold for all its requests to models, until its run ends.

Defaults   `set`, `reset`; `applied` fills in what a request does not say itself
"""

from __future__ import annotations

from dataclasses import MISSING, fields, replace
from typing import TYPE_CHECKING, TypeVar

from .conversations import settings_of
from .messages import ModelOptions

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Options = TypeVar("Options", bound="DataclassInstance")


class Defaults:
    """The options that hold for requests of one run that do not say otherwise."""

    def __init__(self) -> None:
        self.options = ModelOptions()

    def set(self, options: ModelOptions) -> None:
        """Sets what these options say; what they leave out stays. Raises BadArgument."""
        settings_of(options)
        self.options = _filled(options, self.options)

    def reset(self) -> None:
        """Forgets all."""
        self.options = ModelOptions()

    def applied(self, options: Options) -> Options:
        """The options of a request or an agent, with what holds by default in the place of what
        is left out."""
        return options if self.options == NONE else _filled(options, self.options)


NONE = ModelOptions()


def _filled(options: Options, others: ModelOptions) -> Options:
    return replace(
        options,
        **{
            item.name: getattr(others, item.name)
            for item in fields(ModelOptions)
            if getattr(options, item.name, MISSING) is None
        },
    )
