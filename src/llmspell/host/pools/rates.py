"""This unit keeps requests and tokens below so many a minute.

    Rate(requests, tokens)     asks `wait(tokens)` before a request, tells `take(tokens)` of one

A minute is the last sixty seconds, counted in whole ones: no minute holds more than was allowed.
"""

from __future__ import annotations

from collections import deque

WINDOW = 60


class Rate:
    """At most so many requests, and so many tokens, in any minute. None is no bound."""

    def __init__(self, requests: int | None, tokens: int | None) -> None:
        self.requests = requests
        self.tokens = tokens
        self._slots: deque[list[int]] = deque()  # [second, requests, tokens], at most 61

    def wait(self, tokens: int, now: float) -> float:
        """Seconds until a request of so many tokens may be made; 0 for at once.

        One of more tokens than a minute allows may be made when nothing else was.
        """
        if self.requests is None and self.tokens is None:
            return 0.0
        while self._slots and self._slots[0][0] + WINDOW + 1 <= now:
            self._slots.popleft()
        made = sum(slot[1] for slot in self._slots)
        used = sum(slot[2] for slot in self._slots)
        free = 0.0
        for second, requests, spent in self._slots:
            if not self._over(made, used, tokens):
                break
            made, used, free = made - requests, used - spent, second + WINDOW + 1 - now
        return free

    def _over(self, made: int, used: int, tokens: int) -> bool:
        over = self.requests is not None and made >= self.requests
        return over or (self.tokens is not None and used > 0 and used + tokens > self.tokens)

    def take(self, tokens: int, now: float, requests: int = 1) -> None:
        """Counts a request, or with `requests` 0 tokens of one that was counted.

        Fewer tokens than were guessed are below 0, and are given back: the latest first.
        """
        second = int(now)
        if not self._slots or self._slots[-1][0] < second:
            self._slots.append([second, 0, 0])
        slot = self._slots[-1]
        slot[1], slot[2] = slot[1] + requests, slot[2] + max(0, tokens)
        for slot in reversed(self._slots) if tokens < 0 else ():
            back = min(slot[2], -tokens)
            slot[2], tokens = slot[2] - back, tokens + back
