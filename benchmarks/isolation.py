"""Isolation: what a process of its own adds, and how the host fares under attack."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

from llmspell import Session

from .row import Row

HELLO = "print('hello')"
ATTACKS = (
    ("a loop", "while true do end"),
    ("a loop in pcall", "while true do pcall(function() while true do end end) end"),
    ("one long C call", "string.find(('a'):rep(1e4), '.-.-.-.-b$')"),
    ("memory", "local t = {} while true do t[#t + 1] = ('x'):rep(1e5) .. #t end"),
    ("output", "while true do print(('x'):rep(1000)) end"),
    ("calls", "while true do time.now() end"),
    ("recursion", "local function f() return 1 + f() end f()"),
    ("a deep result", "local t = {} for i = 1, 1e5 do t = {t} end return t"),
)
RUNS = 1000

BARE_TIMER = """
import select, sys, time
late = 0.0
while not select.select([sys.stdin], [], [], 0)[0]:
    began = time.perf_counter()
    time.sleep(0.01)
    late = max(late, time.perf_counter() - began - 0.01)
print(late)
"""
"""A process that does nothing but sleep: what it is late by is the machine's doing."""

BARE_ECHO = """
import socket, sys
channel = socket.socket(fileno=int(sys.argv[1]))
while data := channel.recv(65536):
    channel.sendall(data)
"""


def resident(pid: int | str = "self") -> float:
    """Megabytes of memory a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6


async def hello(isolation: str, runs: int = 60) -> float:
    """Median milliseconds of a small spell, warm."""
    times = []
    async with Session(isolation=isolation) as session:
        for _ in range(runs):
            began = time.perf_counter()
            await session.run(HELLO)
            times.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(0.01)
    return median(times[5:])


def first(isolation: str) -> float:
    """Milliseconds of the first spell of a process whose imports are done."""
    code = (
        "import asyncio, time; from llmspell import Session\n"
        f"session = Session(isolation={isolation!r}); began = time.perf_counter()\n"
        f"session.run_sync({HELLO!r}); print('', (time.perf_counter() - began) * 1000)"
    )
    times = []
    for _ in range(7):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        times.append(float(done.stdout.split()[-1]))
    return median(times)


async def round_trip(isolation: str) -> float:
    """Median microseconds from one host call with 1 KB each way to the next."""
    source = "local text = ('x'):rep(1000) for i = 1, 10000 do json.encode(text) end"
    seen: list[float] = []
    async with Session(
        isolation=isolation, on_call=lambda _: seen.append(time.perf_counter())
    ) as session:
        await session.run(source)
        seen.clear()
        await session.run(source)
    return median([(after - before) * 1e6 for before, after in pairwise(seen)])


def echo() -> float:
    """Median microseconds of 1 KB there and back between two processes that do nothing else."""
    times = []
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            number = theirs.fileno()
            command = [sys.executable, "-c", BARE_ECHO, str(number)]
            other = subprocess.Popen(command, pass_fds=(number,))
        for _ in range(5000):
            began = time.perf_counter()
            ours.sendall(b"x" * 1024)
            ours.recv(65536)
            times.append((time.perf_counter() - began) * 1e6)
    other.wait()
    return median(times[100:])


async def attacked() -> Iterator[Row]:
    """A thousand attacks, four at a time, while a timer of 10 ms runs, here and in a process that
    does nothing else."""
    late, overrun = 0.0, {name: 0.0 for name, _ in ATTACKS}

    async def watch() -> None:
        nonlocal late
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.01)
            late = max(late, time.perf_counter() - began - 0.01)

    async with Session(level="untrusted", limits={"time": 0.2, "memory": "16MB"}) as session:
        for _, source in ATTACKS:
            await session.attempt(source)
        before = resident()
        command = [sys.executable, "-c", BARE_TIMER]
        bare = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        watching = asyncio.create_task(watch())
        gate = asyncio.Semaphore(4)

        async def attack(number: int) -> None:
            name, source = ATTACKS[number % len(ATTACKS)]
            async with gate:
                began = time.perf_counter()
                result = await session.attempt(source)
                overrun[name] = max(overrun[name], time.perf_counter() - began - 0.2)
                assert result.error is not None

        await asyncio.gather(*(attack(number) for number in range(RUNS)))
        watching.cancel()
        bare_late = float(bare.communicate()[0])
        grown = resident() - before
        soft = max(time for name, time in overrun.items() if name != "one long C call")
    return iter(
        (
            Row(f"host memory after {RUNS} attacks", grown, "MB", None, "< 16 MB"),
            Row("the host's 10 ms timers meanwhile, late at worst", late * 1000, "ms",
                bare_late * 1000, "< 50 ms"),
            Row("an attack ends after its limit, at worst", soft * 1000, "ms", None, "< 300 ms"),
            Row("one long C call ends after its limit, at worst",
                overrun["one long C call"] * 1000, "ms", None, "< 1200 ms"),
        )
    )  # fmt: skip


async def together(count: int = 200) -> Row:
    """Seconds for many isolated spells started at once on the cores there are."""
    async with Session(level="untrusted") as session:
        await session.run(HELLO)
        began = time.perf_counter()
        await asyncio.gather(*(session.run("sleep(0.1) return 1") for _ in range(count)))
        return Row(f"{count} isolated spells at once, each sleeping 0.1 s, {os.cpu_count()} cores",
                   time.perf_counter() - began, "s")  # fmt: skip


def measure() -> Iterator[Row]:
    alone, inside = asyncio.run(hello("process")), asyncio.run(hello("none"))
    yield Row("isolated hello, warm / in this process", alone, "ms", inside, "adds < 5 ms")
    yield Row("isolated hello, first / in this process", first("process"), "ms", first("none"),
              "adds < 120 ms")  # fmt: skip
    yield Row("call of 1 KB through gate and process / in this process",
              asyncio.run(round_trip("process")), "us", asyncio.run(round_trip("none")),
              "< 200 us")  # fmt: skip
    yield Row("1 KB there and back between two bare processes", echo(), "us")
    yield asyncio.run(together())
    yield from asyncio.run(attacked())
