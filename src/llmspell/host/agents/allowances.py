"""This unit keeps the limits one run of an agent has of its own, below those of the script.

Allowance       a meter of its own, whose requests are charged to the one above it too
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ...errors import BudgetExceeded, HostFailure
from ...limits import Limits, Meter, Reservation
from ..meters import PartMeter

if TYPE_CHECKING:
    from pydantic_ai.models import Model

    from .agent import AgentLimits


class Allowance(PartMeter):
    """Charges the requests of one run of an agent, and of those it asks.

    What goes beyond is an error the script can handle, unlike a limit of the script itself.
    """

    def __init__(self, limits: AgentLimits | None, parent: Meter, agent: str | None) -> None:
        self._agent = agent
        tokens = None if limits is None else limits.tokens
        cost = None if limits is None else limits.cost
        super().__init__(Limits(tokens=tokens, cost=cost, warn=None), parent)
        self.most_requests = None if limits is None else limits.requests
        self.requests = 0
        self.around = partial(_around, parent.root, agent)

    @property
    def root(self) -> Meter:
        return self.parent.root

    def hold(self, size: int) -> None:
        """Counts bytes with those of the script."""
        self.parent.hold(size)

    def reserve(self, tokens: int, cost: float | None) -> Reservation:
        """Sets aside here and above. Raises HostFailure(code="budget") or BudgetExceeded."""
        if self.most_requests is not None and self.requests >= self.most_requests:
            most = self.most_requests
            raise self._exceeded(f"{most} request{'s' if most > 1 else ''}")
        reserved = super().reserve(tokens, cost)
        self.requests += 1
        return reserved

    def _reserve_here(self, tokens: int, cost: float | None) -> Reservation:
        try:
            return super()._reserve_here(tokens, cost)
        except BudgetExceeded as error:
            raise self._exceeded(error.limit) from None

    def _exceeded(self, limit: Any) -> HostFailure:
        who = "the agent" if self._agent is None else f"the agent {self._agent}"
        return HostFailure(f"{who} may not use more than {limit} in one run", code="budget")


def _around(root: Meter, agent: str | None, model: Model[Any], name: str) -> Model[Any]:
    # Asked each time: the first hook may come while an agent works.
    return model if root.around is None else root.around(model, name, agent=agent)
