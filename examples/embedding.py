"""A program whose users script it in Lua: it gives their spells functions and values of its own.

Run it: python examples/embedding.py
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import llmspell
from llmspell import FunctionRef, Session

PRICES = {"tea": Decimal("4.20"), "cake": Decimal("3.10")}

SPELL = """
local total = 0
local receipts = shop.each_day(params.from, 3, function(day)
  local receipt = shop.order({article = "tea", amount = day, due = params.from})
  total = total + day
  return receipt.due .. ": " .. receipt.price
end)
local ok, e = pcall(shop.order, {article = "coffee"})
return {receipts, total, e.code, e.message, params.where}
"""


@dataclass
class Order:
    """What somebody orders.

    article: its name.
    amount: how many.
    due: when it is wanted.
    """

    article: str
    amount: int = 1
    due: date | None = None


@dataclass
class Receipt:
    """What came of an order.

    price: what it costs, to the cent.
    due: when it is there.
    """

    price: Decimal
    due: date


@dataclass
class Point:
    """A place that crosses as a text of its own, not field by field."""

    x: float
    y: float


def order(order: Order) -> Receipt:
    """Orders something.

    order: what.
    returns: what it costs, and when it is there.
    """
    if order.article not in PRICES:
        raise llmspell.HostFailure(f"there is no {order.article}", code="sold_out")
    due = (order.due or date.today()) + timedelta(days=1)
    return Receipt(PRICES[order.article] * order.amount, due)


async def each_day(start: date, days: int, f: FunctionRef) -> list[str]:
    """Calls a function of the spell for each day, at the same time.

    start: the first day.
    days: how many.
    f: gets the number of the day.
    returns: what it gave.
    """
    return list(await asyncio.gather(*(f(day) for day in range(1, days + 1))))


async def main() -> None:
    """Runs the spell, at a level where it can do nothing but what it is given here."""
    llmspell.register_record(Point, to=lambda point: f"{point.x};{point.y}")
    functions = {"shop.order": order, "shop.each_day": each_day}
    params = {"from": date(2026, 1, 31), "where": Point(47.37, 8.54)}
    async with Session(level="untrusted", functions=functions) as session:
        result = await session.run(SPELL, params)
        sys.stdout.write(f"{result.value}\n")


if __name__ == "__main__":
    asyncio.run(main())
