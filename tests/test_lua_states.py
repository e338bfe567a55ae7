"""A Lua state holds what its program needs: the host gives the rest when it is first needed."""

from __future__ import annotations

import pytest

from llmspell.engines import engine
from llmspell.engines.base import Answer, Busy, Isolate, Signature
from llmspell.engines.lua_prelude import enumerates, readers, surface, wanted
from llmspell.errors import MemoryLimit, ScriptRuntimeError
from llmspell.limits import Limits

NAMES = {
    "x.y": Signature(("value",)),
    "x.open": Signature(),
    "x.read": Signature(("thing",), method_of="thing"),
}
ENGINES = ("lua54", "lua55", "luajit")


def started(name: str, source: str, memory: int | None = None) -> tuple[Isolate, Answer]:
    chosen = engine(name)
    isolate = chosen.isolate(NAMES, Limits(memory=memory))
    isolate.allot(1.0, 10.0)
    return isolate, isolate.run(1, chosen.compile(source, "spell.lua"), b"{}")


def held(isolate: Isolate) -> int:
    """Bytes of the whole state, the prelude included."""
    used = isolate._lua.get_memory_used()  # type: ignore[attr-defined]
    isolate.close()
    return int(used)


@pytest.mark.parametrize("name", ENGINES)
def test_a_waiting_state_is_small(name: str) -> None:
    isolate, answer = started(name, "for i = 1, 10 do x.y(i) end return 'done'")
    assert [call.name for call in answer.calls] == ["x.y"]
    assert held(isolate) < 56_000


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("return ('x').nothing", b"null"),
        ("params.a = 1 return params", b'{"a":1}'),
        ("return x.y", b'{"\\u0000function":1}'),
        ("return true", b"true"),
        ("return 0.5", b"0.5"),
    ],
)
def test_any_result_can_be_told(name: str, source: str, value: bytes) -> None:
    isolate, answer = started(name, source)
    assert [(ended.value, ended.error) for ended in answer.ended] == [(value, None)]
    isolate.close()


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b"true", b"true"),
        (b"12345678901", b"12345678901"),
        (b"0.30000000000000004", b"0.30000000000000004"),
        (b'"a\\nb"', b'"a\\nb"'),
        (b"[1,[]]", b"[1,[]]"),
        (b'{"\\u0000handle":["thing",7]}', b'{"\\u0000handle":["thing",7]}'),
    ],
)
def test_any_answer_can_be_read(name: str, payload: bytes, value: bytes) -> None:
    isolate, answer = started(name, "return x.open()")
    answer = isolate.resume(answer.calls[0].id, payload)
    assert [(ended.value, ended.error) for ended in answer.ended] == [(value, None)]
    isolate.close()


def test_what_reads_a_value_goes_by_its_text() -> None:
    assert readers(b'"plain"') == readers(b"true") == readers(b"123.5") == ()
    assert (
        readers(b'"a\\u0000"') == readers(b"[]") == readers(b"1234567890123456") == ("composites",)
    )
    assert readers(b'[{"\\u0000handle":["a",1]}]') == ("composites", "handles")


@pytest.mark.parametrize("name", ENGINES)
def test_calls_keep_their_order_when_the_first_needs_a_part(name: str) -> None:
    source = """
        local function send(v) return function() x.y(v) end end
        local first, second = async(send(params)), async(send("b"))
        x.y("c")
    """
    isolate, answer = started(name, source)
    assert [call.args for call in answer.calls] == [b'["c"]', b"[{}]", b'["b"]']
    isolate.close()


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(
    "ending", ["return params", "error(params)", "x.y(params)", "while pcall(x.y, params) do end"]
)
def test_memory_that_runs_out_while_a_part_is_given_ends_the_run(name: str, ending: str) -> None:
    source = f"local kept for i = 1, 6000 do kept = {{kept}} end {ending}"
    ended = set()
    for memory in range(60_000, 700_000, 16_000):
        isolate, answer = started(name, source, memory)
        for _ in range(50):  # it pauses where the host may have a look
            answer = isolate.proceed() if isinstance(answer, Busy) else answer
        assert not isinstance(answer, Busy)
        errors = [end.error for end in answer.ended if end.error is not None]
        assert all(isinstance(error, MemoryLimit | ScriptRuntimeError) for error in errors)
        ended.add(any(isinstance(error, MemoryLimit) for error in errors))
        isolate.close()
    assert ended == {True, False}


@pytest.mark.parametrize("name", ENGINES)
def test_a_state_that_waits_holds_no_garbage_of_its_parts(name: str) -> None:
    source = 'local thing = x.open({a = 1}) x.y({thing}) return "done"'
    isolate, answer = started(name, source)
    answer = isolate.resume(answer.calls[0].id, b'{"\\u0000handle":["thing",7]}')
    assert answer.calls[0].args == b'[[{"\\u0000handle":["thing",7]}]]'
    before = isolate._lua.get_memory_used()  # type: ignore[attr-defined]
    isolate._lua.gccollect()  # type: ignore[attr-defined]
    assert before - isolate._lua.get_memory_used() < 6_000  # type: ignore[attr-defined]
    assert held(isolate) < 80_000


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("return x.y ~= nil and x.opens == nil", b"true"),
        ("return type(x)", b'"table"'),
        # With x.y, which is all that they mention: of a namespace alone everything is there.
        ("local count = 0 for k in pairs(x) do count = count + 1 end return count, x.y", b"3"),
        ("local count = 0 for k in next, x do count = count + 1 end return count, x.y", b"3"),
        ("local n = 0 table.foreach(x, function() n = n + 1 end) return n, x.y", b"3"),
        ('return rawget(x, "o" .. "pen") ~= nil, x.y', b"true"),
        ('local name = "o" .. "pen" return x[name] ~= nil, x.y', b"true"),
        ('return load("return x.open ~= nil")(), x.y', b"true"),
        ('return _G.x["o" .. "pen"] ~= nil, x.y', b"true"),
    ],
)
def test_every_way_to_a_function_finds_it(name: str, source: str, value: bytes) -> None:
    isolate, answer = started(name, source)
    assert [(ended.value, ended.error) for ended in answer.ended] == [(value, None)]
    isolate.close()


def test_a_program_is_bound_to_the_functions_it_may_reach() -> None:
    names = surface({**NAMES, "z.y": Signature(alias="zed"), "z.q": Signature()})
    bound = {
        words: [
            line.split("\t")[0] for line in wanted(names, words, False).decode().split("\n") if line
        ]
        for words in ("x y", "x", "x zed", "z q zed", "z zed", "q", "*")
    }
    assert bound == {
        "x y": ["x.y"],
        "x": ["x.y", "x.open", "x.read"],  # so that it is there
        "x zed": ["x.y", "x.open", "x.read", "z.y"],
        "z q zed": ["z.y", "z.q"],
        "z zed": ["z.y"],
        "q": [],
        "*": ["x.y", "x.open", "x.read", "z.y", "z.q"],
    }
    assert [enumerates(f"n\nx y\n{body}") for body in ("x.y()", "x[y]()")] == [False, True]
    assert all(enumerates(f"n\nx {word}\n") for word in ("foreach", "next", "pairs", "rawget"))
    assert enumerates("n\n*\nx.y()")


@pytest.mark.parametrize("name", ENGINES)
def test_methods_of_a_handle_are_made_when_they_are_asked_for(name: str) -> None:
    source = """
        local thing = x.open()
        local names = {"reads", "rea.", "", ("r"):rep(200), "re%a", "y", "open", 1, true, {}}
        for i = 1, #names do assert(thing[names[i]] == nil) end
        assert(thing.read == thing.read and thing["re" .. "ad"] == thing.read)
        local ok, why = pcall(thing.read, thing, function() end, {x = coroutine.create(print)})
        return {thing:read(), why.message}
    """
    isolate, answer = started(name, source)
    answer = isolate.resume(answer.calls[0].id, b'{"\\u0000handle":["thing",7]}')
    assert [call.name for call in answer.calls] == ["x.read"]
    assert answer.calls[0].args == b'[{"\\u0000handle":["thing",7]}]'
    answer = isolate.resume(answer.calls[0].id, b'"text"')
    told = b"x.read: argument.x is a coroutine, which cannot cross"
    assert [(ended.value, ended.error) for ended in answer.ended] == [
        (b'["text","' + told + b'"]', None)
    ]
    isolate.close()


@pytest.mark.parametrize("name", ENGINES)
def test_an_error_names_the_parameter_of_a_method(name: str) -> None:
    source = "local thing = x.open() thing.read({coroutine.create(print)})"
    isolate, answer = started(name, source)
    answer = isolate.resume(answer.calls[0].id, b'{"\\u0000handle":["thing",7]}')
    (ended,) = answer.ended
    assert ended.error is not None
    assert "x.read: thing[1] is a coroutine, which cannot cross" in str(ended.error)
    isolate.close()
