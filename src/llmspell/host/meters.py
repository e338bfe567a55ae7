"""Meters of parts of a run, whose budgets are charged to the meter above them too."""

from __future__ import annotations

from typing import Any

from ..limits import Limits, Meter, Reservation, Usage


class PartMeter(Meter):
    """Charges a part of a run: tokens and dollars must be left here and in all that it is part of.

    parent: the meter of what it is part of.
    """

    def __init__(self, limits: Limits, parent: Meter, usage: Usage | None = None) -> None:
        super().__init__(limits, usage)
        self.parent = parent

    @property
    def priced(self) -> bool:
        """Whether dollars are limited, here or above."""
        return super().priced or self.parent.priced

    def room(self) -> int | None:
        """Tokens that may still be reserved, here and above."""
        own, above = super().room(), self.parent.room()
        return min((room for room in (own, above) if room is not None), default=None)

    def reserve(self, tokens: int, cost: float | None) -> Reservation:
        """Sets aside here and above. Raises what either raises; then nothing is set aside."""
        own = self._reserve_here(tokens, cost)
        try:
            above: Reservation = self._up(self.parent.reserve, tokens, cost)
        except BaseException:
            own.release()
            raise
        return _Both(own, above)

    def _reserve_here(self, tokens: int, cost: float | None) -> Reservation:
        return super().reserve(tokens, cost)

    def _up(self, charge: Any, *args: Any) -> Any:
        """Charges the parent."""
        return charge(*args)


class _Both(Reservation):
    """What is set aside at two meters."""

    def __init__(self, own: Reservation, above: Reservation) -> None:
        self._own, self._above = own, above

    def release(self) -> None:
        self._own.release()
        self._above.release()

    def settle(self, input_tokens: int, output_tokens: int, cost: float | None) -> None:
        self._own.settle(input_tokens, output_tokens, cost)
        self._above.settle(input_tokens, output_tokens, cost)
