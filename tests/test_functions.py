"""Functions of the embedding program: declared like capabilities, behind the same gate."""

from __future__ import annotations

import asyncio
import datetime as dt
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE

import llmspell
from llmspell import Function, FunctionRef, Session
from llmspell.engines.base import Bound, Signature
from llmspell.errors import (
    BadArgument,
    CallLimit,
    Denied,
    HostFailure,
    NotFound,
    ParamError,
    ScriptSyntaxError,
    UsageError,
)

ENGINES = ("lua54", "lua55", "luajit")


@dataclass
class Order:
    """What somebody orders.

    article: number of the article.
    amount: how many.
    due: when it is wanted.
    """

    article: str
    amount: int = 1
    due: dt.date | None = None


def price(article: str, amount: int = 1) -> Decimal:
    """Looks up what an article costs.

    article: its number.
    amount: how many.
    returns: the price of all.
    """
    if article == "secret":
        raise RuntimeError("the database at 10.0.0.7 refused the key hunter2")
    if article == "gone":
        raise HostFailure("no longer sold", code="gone")
    return Decimal("1.10") * amount


async def book(order: Order) -> Order:
    """Books an order, a week after it is due.

    order: what to book.
    returns: what was booked.
    """
    await asyncio.sleep(0)
    assert type(order) is Order
    due = order.due + dt.timedelta(days=7) if order.due else None
    return Order(order.article, order.amount + 1, due)


async def each(items: list[int], f: FunctionRef) -> list[Any]:
    """Calls a function with each item, all at the same time.

    items: what to call it with.
    f: the function.
    returns: what it gave for each.
    """
    return list(await asyncio.gather(*(f(item) for item in items)))


def nothing() -> None:
    """Does nothing."""


SHOP: dict[str, Callable[..., Any] | Function] = {
    "shop.price": price,
    "shop.book": book,
    "shop.each": each,
    "shop.nothing": nothing,
}


def run(source: str, engine: str = "lua54", **options: Any) -> Any:
    return llmspell.run_sync(source, engine=engine, functions=SHOP, **options).value


@pytest.mark.parametrize("engine", ENGINES)
def test_a_script_calls_functions_of_the_program(engine: str) -> None:
    assert run("return {shop.price('a'), shop.price('a', 3), shop.nothing()}", engine) == [
        "1.10",
        "3.30",
    ]
    assert run("return shop.book({article = 'x', due = '2026-01-31'})", engine) == {
        "article": "x",
        "amount": 2,
        "due": "2026-02-07",
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_functions_cross_both_ways(engine: str) -> None:
    # script -> host -> script -> host, several at the same time.
    source = """
        return shop.each({1, 2, 3}, function(n)
          sleep(0.001)
          return shop.price('a', n)
        end)
    """
    assert run(source, engine) == ["1.10", "2.20", "3.30"]


def test_a_function_that_came_back_is_the_same_function() -> None:
    def same(f: FunctionRef) -> FunctionRef:
        """Gives a function back.

        f: the function.
        returns: it.
        """
        return f

    source = "local f = function() end return me.same(f) == f and me.same(print) == print"
    assert llmspell.run_sync(source, functions={"me.same": same}).value is True


def test_a_method_is_a_function_too() -> None:
    class Counter:
        def __init__(self) -> None:
            self.n = 0

        def add(self, by: int) -> int:
            """Adds to the counter.

            by: how much.
            returns: what it came to.
            """
            self.n += by
            return self.n

    counter = Counter()
    source = "count.add(2) return count.add(3)"
    assert llmspell.run_sync(source, functions={"count.add": counter.add}).value == 5
    assert counter.n == 5


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("shop.price()", "shop.price: article is missing: it must be a string"),
        ("shop.price(1)", "shop.price: article must be a string, got number"),
        ("shop.price('a', 'b')", "shop.price: amount must be an integer, got string"),
        ("shop.price('a', 1, 2)", "shop.price: takes at most 2 arguments, got 3"),
        (
            "shop.book({artcle = 'x'})",
            "shop.book: order.artcle is not known; did you mean article?",
        ),
        (
            "shop.book({article = 'x', due = 'soon'})",
            "shop.book: order.due must be a date as ISO 8601 text, got string",
        ),
        ("shop.each({}, 5)", "shop.each: f must be a function, got number"),
    ],
)
def test_wrong_arguments_are_told_as_of_any_capability(source: str, said: str) -> None:
    with pytest.raises(BadArgument) as caught:
        run(source)
    assert caught.value.message == said
    assert caught.value.line == 1


def test_what_it_raises_tells_a_script_nothing_of_its_inside() -> None:
    with pytest.raises(HostFailure) as caught:
        run("shop.price('secret')")
    assert caught.value.message == (
        "shop.price failed in the program that runs this spell (RuntimeError)"
    )
    assert caught.value.code == "host"
    # The program itself gets the whole of it.
    assert isinstance(caught.value.host_error, HostFailure)
    assert "hunter2" in str(caught.value.host_error.__cause__)


def test_what_it_says_with_an_error_of_ours_reaches_the_script() -> None:
    source = "local ok, e = pcall(shop.price, 'gone') return {e.code, e.message, e.capability}"
    assert run(source) == ["gone", "no longer sold", "shop.price"]


def test_an_error_of_the_script_goes_through_it() -> None:
    with pytest.raises(HostFailure, match=r"shop\.each: spell:1: from inside") as caught:
        run("shop.each({1}, function() error('from inside') end)")
    assert caught.value.code == "script"


def test_a_limit_of_another_run_inside_it_does_not_end_this_one() -> None:
    async def nested() -> None:
        """Runs a spell of its own."""
        await llmspell.run("while true do end", limits={"steps": 1000})

    source = "local ok, e = pcall(me.nested) return {ok, e.code, e.message}"
    assert llmspell.run_sync(source, functions={"me.nested": nested}).value == [
        False, "host", "me.nested failed in the program that runs this spell (StepLimit)"
    ]  # fmt: skip


def test_a_limit_of_this_run_goes_through_it() -> None:
    source = "pcall(shop.each, {1}, function() while true do end end) return 'went on'"
    with pytest.raises(llmspell.StepLimit):
        run(source, limits={"steps": 10_000})


def test_a_result_that_cannot_cross_names_the_function() -> None:
    def bad() -> Any:
        """Gives what cannot cross.

        returns: a set.
        """
        return [{1}]

    with pytest.raises(HostFailure) as caught:
        llmspell.run_sync("me.bad()", functions={"me.bad": bad})
    assert caught.value.message == (
        "me.bad: the result[1] is a set, which cannot cross: register it"
    )


# The gate. ----------------------------------------------------------------------------------------


def test_calls_are_counted_and_recorded() -> None:
    result = llmspell.run_sync("shop.nothing() shop.price('a')", functions=SHOP)
    assert [call.name for call in result.calls] == ["shop.nothing", "shop.price"]
    with pytest.raises(CallLimit):
        run("for _ = 1, 10 do shop.nothing() end", limits={"calls": 5})


def fetch(host: str) -> str:
    """Asks a host.

    host: its name and port.
    returns: its answer.
    """
    return f"answer of {host}"


def test_a_grant_may_be_needed() -> None:
    functions = {"my.fetch": Function(fetch, needs="net:{host}")}
    source = "return my.fetch('api.example.com:443')"
    with pytest.raises(Denied, match=r"no grant for net"):
        llmspell.run_sync(source, functions=functions, level="untrusted")
    allow = ["net:api.example.com"]
    result = llmspell.run_sync(source, functions=functions, level="untrusted", allow=allow)
    assert result.value == "answer of api.example.com:443"
    with pytest.raises(Denied, match=r"no grant for net:evil"):
        llmspell.run_sync(
            "return my.fetch('evil:1')", functions=functions, level="untrusted", allow=allow
        )


def test_it_works_from_a_locked_down_process() -> None:
    source = """
        local out = shop.each({1, 2}, function(n) return shop.price('a', n) end)
        local ok, e = pcall(shop.price, {})
        return {out, e.message}
    """
    result = llmspell.run_sync(source, functions=SHOP, level="untrusted")
    assert result.value == [["1.10", "2.20"], "shop.price: article must be a string, got table"]


def test_a_replay_calls_nothing(tmp_path: Path) -> None:
    called = []

    def dice() -> int:
        """Throws dice.

        returns: what they show.
        """
        called.append(1)
        return len(called) + 3

    source = "return {me.dice(), me.dice()}"
    journal = tmp_path / "journal"
    first = Session(functions={"me.dice": dice}, record=journal).run_sync(source)
    again = Session(functions={"me.dice": dice}, replay=journal).run_sync(source)
    assert (first.value, again.value, len(called)) == ([4, 5], [4, 5], 2)


def test_sessions_do_not_see_each_other_s_functions() -> None:
    run("shop.nothing()")
    with pytest.raises(llmspell.ScriptRuntimeError, match="shop"):
        llmspell.run_sync("shop.nothing()")
    with pytest.raises(NotFound):
        llmspell.run_sync("return tools.execute('price', {})", functions=SHOP)


def test_features_do_not_take_them_away() -> None:
    session = Session(functions=SHOP, features="minimal")
    assert session.run_sync("return {shop.price('a'), fs == nil}").value == ["1.10", True]


def test_a_model_may_use_one_as_a_tool() -> None:
    functions = {"shop.price": Function(price, tool="price")}
    source = """
        local info = tools.get_info('price')
        return {tools.execute('price', {article = 'a', amount = 2}), info.origin, info.description,
          info.schema.required, table.concat(tools.list(), ' '):find('price') ~= nil}
    """
    result = llmspell.run_sync(source, functions=functions)
    assert result.value == ["2.20", "host", "Looks up what an article costs.", ["article"], True]


# Declarations. ------------------------------------------------------------------------------------


def untyped(a, b: int) -> int:  # type: ignore[no-untyped-def]
    """Is not typed.

    b: a number.
    returns: it.
    """
    return b


def star(*items: int) -> None:
    """Takes any number.

    items: numbers.
    """


@pytest.mark.parametrize(
    ("functions", "said"),
    [
        ({"price": price}, "functions: 'price' must be named namespace.verb"),
        ({"a.b.c": price}, "functions: 'a.b.c' must be named namespace.verb"),
        ({"a-b.c": price}, "functions: 'a-b.c' must be named namespace.verb"),
        ({"fs.price": price}, "functions: fs.price: the namespace fs is llmspell's own"),
        ({"string.price": price}, "functions: string.price: string is a word of a script language"),
        ({"shop.end": price}, "functions: shop.end: end is a word of a script language"),
        ({"shop.price": "x"}, "functions: shop.price must be a function, got str"),
        (
            {"shop.price": Function(price, needs="gold")},
            "functions: shop.price: 'gold' is not a kind of grant: fs,",
        ),
        (
            {"shop.price": Function(price, needs="net:{host}")},
            "functions: shop.price: needs 'net:{host}', which names no parameter",
        ),
        (
            {"shop.untyped": untyped},
            "functions: shop.untyped: parameter a is untyped; parameter a is undocumented",
        ),
        ({"shop.star": star}, "functions: shop.star: parameter items must be an ordinary one"),
        ({"shop.f": lambda: 1}, "functions: shop.f: has no description; has no result type"),
    ],
)
def test_a_function_that_is_not_declared_well_is_refused_at_once(functions: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Session(functions=functions)
    assert said in str(caught.value)


def test_a_function_among_the_parameters_says_where_it_belongs() -> None:
    with pytest.raises(llmspell.ParamError) as caught:
        llmspell.run_sync("return 1", {"f": [price]})
    assert caught.value.message == (
        "params.f[1] is a function of Python: give it to the session as one of functions"
    )


def test_a_session_without_functions_does_not_import_them() -> None:
    program = (
        "import llmspell, sys; llmspell.run_sync('return 1');"
        "names = {'llmspell.runtime.functions', 'llmspell.forms'};"
        "print(sorted(names & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_the_example_runs() -> None:
    done = subprocess.run(
        [sys.executable, Path(__file__).parents[1] / "examples" / "embedding.py"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stderr == ""
    receipts = "['2026-02-01: 4.20', '2026-02-01: 8.40', '2026-02-01: 12.60']"
    rest = "6, 'sold_out', 'there is no coffee', '47.37;8.54'"
    assert done.stdout == f"[{receipts}, {rest}]\n"


# Tools. -------------------------------------------------------------------------------------------


@llmspell.tool
def convert(amount: float, into: str = "USD") -> dict[str, Any]:
    """Converts euros.

    amount: euros.
    into: the currency.
    returns: how much it is, and of what.
    """
    return {"sum": amount * 2, "currency": into}


@llmspell.tool
async def stock(article: str) -> int:
    """Counts what is in stock.

    article: its number.
    returns: how many there are.
    """
    await asyncio.sleep(0)
    if article == "secret":
        raise RuntimeError("hunter2")
    return len(article)


SHELF: dict[str, Any] = {"tools": [convert, stock]}


@pytest.mark.parametrize("engine", ["lua54", "javascript", "tengo"])
@pytest.mark.parametrize("level", ["trusted", "untrusted"])
def test_a_function_of_the_program_is_a_tool(engine: str, level: str) -> None:
    source = {
        "lua54": "local t = tools.execute"
        " return {t('convert', {amount = 2}), t('stock', {article = 'abc'})}",
        "javascript": "const t = tools.execute;"
        "export default [await t('convert', {amount: 2}), await t('stock', {article: 'abc'})]",
        "tengo": "t := tools.execute\n"
        'export [t("convert", {amount: 2}), t("stock", {article: "abc"})]',
    }[engine]
    session = Session(engine=engine, level=level, allow=["tool:*"], **SHELF)
    assert session.run_sync(source).value == [{"sum": 4, "currency": "USD"}, 3]
    assert convert(1)["sum"] == 2  # the program still has its function


def test_a_tool_of_the_program_is_described_by_its_declaration() -> None:
    source = "local i = tools.get_info('convert') return {i.description, i.origin, i.schema}"
    assert Session(**SHELF).run_sync(source).value == [
        "Converts euros.",
        "host",
        {
            "type": "object",
            "properties": {
                "amount": {"type": "number", "description": "euros."},
                "into": {"type": "string", "description": "the currency."},
            },
            "required": ["amount"],
            "additionalProperties": False,
        },
    ]


def test_an_agent_uses_a_tool_of_the_program() -> None:
    source = """
        local m = llm.providers.create_mock('m', {
          {tool_calls = {{name = 'stock', args = {article = 'abcd'}}}}, 'done'})
        local r = agent.create({model = m, tools = {'stock'}}):run('how many?')
        return {r.content, r.tool_calls[1].result}
    """
    assert Session(**SHELF).run_sync(source).value == ["done", 4]


def test_a_tool_of_the_program_keeps_grants_rules_and_arguments() -> None:
    call = "return tools.execute('stock', {article = 'abc'})"
    with pytest.raises(Denied, match="no grant for tool"):
        Session(level="untrusted", **SHELF).run_sync(call)
    with pytest.raises(Denied, match="no grant for tool:stock"):
        Session(level="untrusted", allow=["tool:convert"], **SHELF).run_sync(call)
    with pytest.raises(Denied, match="denied by the rule for sto"):
        Session(tool_rules={"sto*": "deny"}, **SHELF).run_sync(call)
    with pytest.raises(BadArgument, match=r"stock: .*article"):
        Session(**SHELF).run_sync("return tools.execute('stock', {})")
    with pytest.raises(HostFailure) as caught:
        Session(**SHELF).run_sync("return tools.execute('stock', {article = 'secret'})")
    assert "hunter2" not in caught.value.message
    assert "stock failed in the program that runs this spell" in caught.value.message


def test_a_grant_is_asked_for_even_where_nobody_asked_for_the_tool() -> None:
    # What a worker that was taken over could send: the name behind the tool.
    gate = Session(level="untrusted", allow=["tool:convert"], **SHELF).catalogue
    allowed = Session(allow=["!tool:stock"], **SHELF)
    item = gate["tools.host.stock"]

    class Ctx:
        demand = staticmethod(allowed.policy.demand)

    with pytest.raises(Denied):
        asyncio.run(item.function(Ctx(), "abc"))
    assert item.kind == "tool"
    assert "tools.host.stock" not in allowed.names


def test_a_replay_runs_no_tool_of_the_program(tmp_path: Path) -> None:
    ran = []

    def dice() -> int:
        """Throws dice.

        returns: what they show.
        """
        ran.append(1)
        return 4

    journal, source = tmp_path / "j", "return tools.execute('dice', {})"
    assert Session(tools=[dice], record=journal).run_sync(source).value == 4
    assert Session(tools=[dice], replay=journal).run_sync(source).value == 4
    assert len(ran) == 1


def test_what_cannot_be_a_tool_is_refused_with_all_mistakes() -> None:
    with pytest.raises(UsageError) as caught:
        llmspell.tool(untyped)
    assert str(caught.value).startswith(
        "tools: untyped: parameter a is untyped; parameter a is undocumented"
    )
    with pytest.raises(UsageError, match="has no description; has no result type"):

        @llmspell.tool
        def bare():  # type: ignore[no-untyped-def]
            pass

    with pytest.raises(UsageError, match="cannot name a tool"):
        llmspell.tool(lambda: 1)
    with pytest.raises(UsageError, match="must be a function, got str"):
        Session(tools=["x"])  # type: ignore[list-item]
    with pytest.raises(UsageError, match="two tools stock"):
        Session(tools=[stock, stock])

    def calculator() -> None:
        """Is there already."""

    with pytest.raises(UsageError, match="calculator is a built-in tool"):
        Session(tools=[calculator])


async def given_much(f: FunctionRef, size: int) -> Any:
    """Calls a function with a long text.

    f: the function.
    size: characters of the text.
    returns: what it gives.
    """
    return await f("x" * size)


@pytest.mark.parametrize("engine", ["lua54", "javascript", "tengo"])
def test_what_is_too_large_for_a_worker_is_no_crash(engine: str) -> None:
    calls = {
        "lua54": "return host.much(function(x) return #x end, params.size)",
        "javascript": "export default await host.much((x) => x.length, params.size)",
        "tengo": "export host.much(func(x) { return len(x) }, params.size)",
    }
    remark = "--" if engine == "lua54" else "//"

    async def go() -> None:
        functions = {"host.much": given_much}
        async with Session(engine=engine, level="untrusted", functions=functions) as session:
            for size in (1_000_000, 3_000_000):
                result = await session.attempt(calls[engine], {"size": size})
                if size < 2**20:
                    assert (result.error, result.value) == (None, size)
                else:
                    assert "the arguments of 3000004 bytes are larger" in str(result.error)
            with pytest.raises(ParamError, match="params are larger than 1048576 bytes"):
                await session.attempt("", {"text": "x" * 3_000_000})
            quoted = await session.attempt(remark + '"' * 1_040_000, {"text": "x" * 1_000_000})
            assert type(quoted.error) is ScriptSyntaxError
            assert "are larger than" in str(quoted.error)
            assert (await session.attempt("")).error is None

    asyncio.run(go())


@pytest.mark.parametrize("ending", [asyncio.CancelledError, GeneratorExit, StopIteration])
@pytest.mark.parametrize("level", ["trusted", "untrusted"])
def test_what_ends_a_task_ends_no_run(level: str, ending: type[BaseException]) -> None:
    def fails() -> None:
        """Fails in an odd way."""
        raise ending

    session = Session(level=level, functions={"host.fails": fails})
    result = session.attempt_sync("local ok, e = pcall(host.fails) return {ok, e.code}")
    assert (result.error, result.value) == (None, [False, "host"])


def test_names_that_are_bound_while_others_are_get_what_is_theirs() -> None:
    first, second = {"a": Signature()}, {"b": Signature()}
    asked: list[list[str]] = []

    def make(names: Mapping[str, Signature]) -> list[str]:
        if names is first and not asked:
            asked.append(bound.of(second))  # as another thread may ask meanwhile
        return list(names)

    bound = Bound(make)
    assert (bound.of(first), asked) == (["a"], [["b"]])
    assert (bound.of(second), bound.of(first), bound.of(first)) == (["b"], ["a"], ["a"])
