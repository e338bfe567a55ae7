"""Requests to models: what llmspell adds to pydantic-ai alone, over HTTP on this machine.

Processor time of the thread that asks; the server works in a process of its own.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator

from llmspell import Session
from llmspell.host.llm.models import Models
from llmspell.host.settings import Environment, ProviderSettings, Settings

from .calls import resident
from .row import Row

REQUESTS, CHUNKS, RUNS, ROUNDS = 100, 1000, 30, 7

SERVER = """
import sys
from llmspell.testing.servers import ModelServer
with ModelServer() as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


async def lowest(here: Callable[[], Awaitable[float]], peer: Callable[[], Awaitable[float]]
                 ) -> tuple[float, float]:  # fmt: skip
    """The least of several measures each, taken in turn."""
    pairs = [(await here(), await peer()) for _ in range(ROUNDS)]
    return min(a for a, _ in pairs), min(b for _, b in pairs)


def settings_for(url: str) -> Settings:
    return Settings(providers={"local": ProviderSettings("openai_compatible", url + "/v1")})


async def one_request(url: str) -> Row:
    from pydantic_ai.direct import model_request
    from pydantic_ai.messages import ModelRequest

    settings = settings_for(url)
    models = Models(settings, Environment({}))
    bare = models.model("local/echo")
    source = (
        f"""for i = 1, {REQUESTS} do llm.generate("hello there", {{model = "local/echo"}}) end"""
    )

    async with Session(settings=settings, limits={"calls": None, "time": None}) as session:

        async def here() -> float:
            began = time.thread_time()
            await session.run(source)
            return (time.thread_time() - began) / REQUESTS * 1000

        async def peer() -> float:
            began = time.thread_time()
            for _ in range(REQUESTS):
                await model_request(bare, [ModelRequest.user_text_prompt("hello there")])
            return (time.thread_time() - began) / REQUESTS * 1000

        await here()
        await peer()
        cost, alone = await lowest(here, peer)
    await models.aclose()
    return Row(
        "one llm.generate / pydantic-ai's direct request", cost, "ms", alone, "adds < 0.5 ms"
    )


async def streaming(url: str) -> Iterator[Row]:
    from pydantic_ai.direct import model_request_stream
    from pydantic_ai.messages import ModelRequest

    settings = settings_for(url)
    models = Models(settings, Environment({}))
    bare, text = models.model("local/echo"), "word " * (CHUNKS - 1)
    loop = """for piece in llm.stream(params.text, {model = "local/echo"}) do n = #piece end"""
    each = """llm.stream(params.text, {model = "local/echo"}):each({
        on_content = function(piece) n = #piece end,
    })"""

    async with Session(settings=settings, limits={"calls": None, "time": None}) as session:

        async def spell(source: str) -> float:
            began = time.thread_time()
            await session.run(source, {"text": text})
            return (time.thread_time() - began) * 1000

        async def peer() -> float:
            began = time.thread_time()
            async with model_request_stream(bare, [ModelRequest.user_text_prompt(text)]) as stream:
                async for _ in stream:
                    pass
            return (time.thread_time() - began) * 1000

        rows = []
        for source, how in ((loop, "in a loop"), (each, "by a function")):
            await spell(source)
            await peer()
            cost, alone = await lowest(lambda source=source: spell(source), peer)  # type: ignore[misc]
            what = f"an answer of {CHUNKS} pieces, read {how} / pydantic-ai alone"
            rows.append(Row(what, cost, "ms", alone, "under 2 times"))
    await models.aclose()
    return iter(rows)


async def pooled(url: str) -> Iterator[Row]:
    """What a pool adds to the model it asks, and what one dead provider does."""
    make = """
        local alone = {model = "local/echo"}
        local two, strategy = {"local/echo", "local/say-b"}, params.strategy or "fallback"
        local pool = llm.pool.create("p", two, strategy)
        local failing = llm.pool.create("f", {"dead/any", "local/echo"})
        local model = params.pool and {model = params.failing and failing or pool} or alone
        for i = 1, params.n do llm.generate("hello there", model) end
    """
    settings = settings_for(url)
    dead = ProviderSettings("openai_compatible", "http://127.0.0.1:9/v1")
    settings = settings._replace(providers={**settings.providers, "dead": dead})

    async with Session(settings=settings, limits={"calls": None, "time": None}) as session:

        async def spell(**params: object) -> float:
            began = time.thread_time()
            await session.run(make, {"n": REQUESTS, **params})
            return (time.thread_time() - began) / REQUESTS * 1000

        rows = []
        await spell(pool=True)
        for strategy, target in (("fallback", "adds < 0.3 ms"), ("fastest", "two requests")):
            cost, alone = await lowest(
                lambda strategy=strategy: spell(pool=True, strategy=strategy),  # type: ignore[misc]
                lambda: spell(pool=False),
            )
            what = f"one request through a {strategy} pool of two / its model alone"
            rows.append(Row(what, cost, "ms", alone, target))
        cost, alone = await lowest(
            lambda: spell(pool=True, failing=True), lambda: spell(pool=False)
        )
        what = "the same with a dead provider first, left alone after five failures"
        rows.append(Row(what, cost, "ms", alone, "under 1.5 times"))

        mocks = """
            llm.providers.create_mock("m", {"hello there"}, {cycle = true})
            for i = 1, params.n do llm.generate("hello", {model = "m"}) end
        """

        async def mock() -> float:
            began = time.thread_time()
            await session.run(mocks, {"n": REQUESTS})
            return (time.thread_time() - began) / REQUESTS * 1000

        cost, alone = await lowest(mock, lambda: spell(pool=False))
        rows.append(Row("one request to a mock / to a server", cost, "ms", alone))
    return iter(rows)


async def structured(url: str) -> Iterator[Row]:
    from pydantic_ai import Agent, NativeOutput, StructuredDict

    settings = settings_for(url)
    models = Models(settings, Environment({}))
    fields = {"name": {"type": "string"}, "count": {"type": "integer"}}
    form = StructuredDict({"type": "object", "properties": fields, "required": ["name", "count"]})
    agent = Agent(models.model("local/data"), output_type=NativeOutput(form))
    source = f"""for i = 1, {REQUESTS} do
        structured.generate("x", "name, count int", {{model = "local/data"}})
    end"""
    steps = ", ".join(f"{{id = 's{i}', tool = 'calculator', args = {{expression = '1'}}}}"
                      for i in range(REQUESTS))  # fmt: skip
    flow = f"workflow.create({{steps = {{{steps}}}}}):run()"
    calls = f"for i = 1, {REQUESTS} do tools.execute('calculator', {{expression = '1'}}) end"

    async with Session(settings=settings, limits={"calls": None, "time": None}) as session:

        async def spell(source: str) -> float:
            began = time.thread_time()
            await session.run(source)
            return (time.thread_time() - began) / REQUESTS * 1000

        async def peer() -> float:
            began = time.thread_time()
            for _ in range(REQUESTS):
                await agent.run("x")
            return (time.thread_time() - began) / REQUESTS * 1000

        await spell(source)
        await peer()
        cost, alone = await lowest(lambda: spell(source), peer)
        what = "one structured.generate / pydantic-ai's agent, which checks nothing"
        rows = [Row(what, cost, "ms", alone)]
        await spell(flow)
        cost, alone = await lowest(lambda: spell(flow), lambda: spell(calls))
        rows.append(
            Row("a step of a workflow that runs a tool / the tool alone", cost, "ms", alone)
        )
    await models.aclose()
    return iter(rows)


async def agents(url: str) -> Iterator[Row]:
    from pydantic_ai import Agent, Tool

    settings = settings_for(url)
    models = Models(settings, Environment({}))
    source = f"""
        local n = {{type = "integer"}}
        tools.register("double", "Doubles.",
          {{type = "object", properties = {{n = n}}, required = {{"n"}}}},
          function(args) return args.n * 2 end)
        local a = agent.create({{model = "local/tools", tools = {{"double"}}}})
        for i = 1, {RUNS} do a:run("go") end
    """

    def double(n: int) -> int:
        return n * 2

    alone = Agent(models.model("local/tools"), tools=[Tool(double)])
    async with Session(settings=settings, limits={"time": None}) as session:

        async def here() -> float:
            began = time.thread_time()
            await session.run(source)
            return (time.thread_time() - began) / RUNS * 1000

        async def peer() -> float:
            began = time.thread_time()
            for _ in range(RUNS):
                await alone.run("go")
            return (time.thread_time() - began) / RUNS * 1000

        await here()
        await peer()
        cost, bare = await lowest(here, peer)
    await models.aclose()
    what = "an agent run with one tool call / pydantic-ai's own"
    rows = [Row(what, cost, "ms", bare, "< 1.3 times")]
    return iter(rows)


async def crowd(url: str) -> tuple[int, float]:
    """How many of 1,000 agent runs at once failed, and the most KB the process had."""
    source = """
        tools.register("t", "T.", {}, function() sleep(0.5) return "x" end)
        return agent.create({model = "local/tools", tools = {"t"}}):run("go").content
    """
    async with Session(settings=settings_for(url)) as session:
        await session.run(source)
        peak = resident()

        async def watch() -> None:
            nonlocal peak
            while True:
                peak = max(peak, resident())
                await asyncio.sleep(0.02)

        watching = asyncio.create_task(watch())
        results = await asyncio.gather(*(session.attempt(source) for _ in range(1000)))
        watching.cancel()
    return sum(result.error is not None for result in results), peak


def crowded(url: str) -> Iterator[Row]:
    """In a process that has done nothing else."""
    code = (
        f"import asyncio; from benchmarks.models import crowd; print(*asyncio.run(crowd({url!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    failed, peak = map(float, done.stdout.split())
    yield Row("1,000 agent runs of 1,000 Lua spells at once: errors", failed, "", None, "0")
    yield Row("... and memory of the process", peak / 1024, "MiB", None, "< 350")


def measure() -> Iterator[Row]:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None and server.stdout is not None
    try:
        url = server.stdout.readline().strip()
        yield asyncio.run(one_request(url))
        yield from asyncio.run(streaming(url))
        yield from asyncio.run(pooled(url))
        yield from asyncio.run(structured(url))
        yield from asyncio.run(agents(url))
        yield from crowded(url)
    finally:
        server.stdin.close()
        server.wait(30)
