"""Three Luas: what each has is what the documentation says, and the same name does the same."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmspell

ENGINES = {"lua54": "5.4", "lua55": "5.5", "luajit": "LuaJIT"}
PAGE = Path(__file__).parents[1] / "docs" / "lua-engine.md"
SECTION = PAGE.read_text().partition("## Versions")[2].partition("\n## ")[0]

LISTING = """
    local libraries = {string = 1, table = 1, math = 1, utf8 = 1, os = 1, debug = 1, coroutine = 1}
    local out, fields = {}, {"async", "await", "parallel", "spawn"}
    for name, value in pairs(_G) do
      if libraries[name] then
        for field in pairs(value) do out[#out + 1] = name .. "." .. field end
      elseif type(value) ~= "table" or name == "_G" then
        out[#out + 1] = name
      end
    end
    return out
"""

quick = settings(max_examples=150, deadline=None, database=None)


def run(source: str, params: dict[str, Any] | None = None, engine: str = "lua54") -> Any:
    return llmspell.run_sync(source, params, engine=engine).value


def listed() -> dict[str, set[str]]:
    """What the page says each engine has."""
    common = set(re.findall(r"[\w.]+", SECTION.partition("```text\n")[2].partition("```")[0]))
    found = {title: set(common) for title in ENGINES.values()}
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", SECTION, re.M)
    titles = [cell.strip() for cell in rows[0][1:]]
    for name, *cells in rows[1:]:
        for title, cell in zip(titles, cells, strict=True):
            if cell.strip() == "yes":
                found[title] |= set(re.findall(r"`([\w.]+)`", name))
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_the_page_lists_every_global_and_library_function(engine: str) -> None:
    # What comes from capabilities is in the reference.
    from llmspell.runtime.catalogue import signatures

    ours = {item.alias for item in signatures().values()} | {"null", "params", "promise"}
    there = set(run(LISTING, engine=engine)) - ours
    assert there == listed()[ENGINES[engine]]


def test_the_versions_are_what_they_are_called() -> None:
    for engine, version in (("lua", "5.4"), ("lua54", "5.4"), ("lua55", "5.5"), ("luajit", "5.1")):
        assert run("return _VERSION", engine=engine) == f"Lua {version}"


@pytest.mark.parametrize("engine", ["lua54", "lua55"])
@pytest.mark.parametrize("level", ["untrusted", "trusted", "privileged"])
def test_each_is_selectable_by_name_at_every_level(engine: str, level: str) -> None:
    assert llmspell.run_sync("return 1 // 1", engine=engine, level=level).value == 1


def test_luajit_is_for_trusted_spells_and_5_1_is_not_offered() -> None:
    assert run("return 1", engine="luajit") == 1
    assert llmspell.run_sync("return 1", engine="luajit", level="privileged").value == 1
    with pytest.raises(llmspell.UsageError, match="not for level untrusted"):
        llmspell.run_sync("return 1", engine="luajit", level="untrusted")
    with pytest.raises(llmspell.UsageError, match="'lua51' is not an engine"):
        llmspell.run_sync("return 1", engine="lua51")


# Ours against those of C. -------------------------------------------------------------------------

UTF8 = """
    local ok, a, b = pcall(utf8.len, params.s, params.i, params.j, params.lax)
    local out = {ok, ok and tostring(a) or "", ok and tostring(b) or ""}
    local fine, codes = pcall(function()
      return {utf8.codepoint(params.s, params.i, params.j, params.lax)}
    end)
    out[4] = fine and codes or "refused"
    local all = {}
    out[5] = pcall(function()
      for at, c in utf8.codes(params.s, params.lax) do all[#all + 1] = at all[#all + 1] = c end
    end)
    out[6] = all
    for n = -3, 3 do
      local found, at = pcall(utf8.offset, params.s, n, params.i)
      out[#out + 1] = tostring(found and at)
    end
    return out
"""

pieces = st.lists(
    st.sampled_from(["a", "ü", "€", "😀", "\0"]).map(str.encode)
    | st.sampled_from([b"\x80", b"\xc2", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
                       b"\xc0\x80", b"\xff", b"\xfd\xbf\xbf\xbf\xbf\xbf"]),
    max_size=5,
)  # fmt: skip


@quick
@given(
    parts=pieces,
    i=st.none() | st.integers(-4, 8),
    j=st.none() | st.integers(-4, 8),
    lax=st.booleans(),
)
def test_utf8_of_luajit_is_that_of_the_others(
    parts: list[bytes], i: int | None, j: int | None, lax: bool
) -> None:
    params = {"s": b"".join(parts), "i": i, "j": j, "lax": lax}
    assert run(UTF8, params, "luajit") == run(UTF8, params)


LAST_OF_EACH_LENGTH = st.sampled_from([0x7F, 0x7FF, 0xFFFF, 0x1FFFFF, 0x3FFFFFF, 0x7FFFFFFF])


@quick
@given(codes=st.lists(st.integers(0, 0x7FFFFFFF) | LAST_OF_EACH_LENGTH, max_size=6))
def test_utf8_char_of_luajit_is_that_of_the_others(codes: list[int]) -> None:
    source = "return utf8.char(unpack(params.codes))"
    assert run(source, {"codes": codes}, "luajit") == run(source, {"codes": codes})


floats = st.floats(allow_nan=False, allow_infinity=False)


@quick
@given(x=floats, y=floats, e=st.integers(-2300, 2300))
@pytest.mark.parametrize("engine", ["lua54", "lua55"])
def test_the_mathematics_of_5_1_is_that_of_c(engine: str, x: float, y: float, e: int) -> None:
    source = """
        local m, e = math.frexp(params.x)
        local function told(v) return string.format("%.17g", v) end
        return {told(m), e, told(math.ldexp(params.x, params.e)),
          told(math.atan2(params.x, params.y)), told(math.tanh(params.x)),
          told(math.sinh(params.x)), told(math.cosh(params.x))}
    """
    m, exponent, scaled, angle, tanh, sinh, cosh = run(source, {"x": x, "y": y, "e": e}, engine)
    assert (float(m), exponent) == math.frexp(x)
    try:
        wanted = math.ldexp(x, e)
    except OverflowError:
        wanted = math.copysign(math.inf, x)
    assert float(scaled) == pytest.approx(wanted, rel=1e-15, abs=5e-324)
    assert float(angle) == math.atan2(x, y)
    assert float(tanh) == pytest.approx(math.tanh(x), rel=1e-14, abs=0)
    if abs(x) < 700:
        assert float(sinh) == pytest.approx(math.sinh(x), rel=1e-13, abs=0)
        assert float(cosh) == pytest.approx(math.cosh(x), rel=1e-13, abs=0)


def test_the_type_of_a_number_on_luajit_is_what_it_crosses_as() -> None:
    numbers = [0, 1, -1, 2.5, 1e15, 2.0**53, 2.0**53 * 4, 1e300, -(2.0**53), 0.1]
    source = """
        local out = {}
        for i, v in ipairs(params.n) do out[i] = {v, math.type(v), tostring(math.tointeger(v))} end
        return out
    """
    for value, kind, whole in run(source, {"n": numbers}, "luajit"):
        assert kind == ("integer" if type(value) is int else "float")
        assert (whole == "nil") == (kind == "float")


def test_bits_of_floats_are_kept() -> None:
    for number in (5e-324, 1e308, -0.0, 2.2250738585072014e-308, 1.7976931348623157e308):
        back = run("return params.n", {"n": number})
        assert struct.pack("d", back) == struct.pack("d", number)


@pytest.mark.parametrize(
    "call",
    [
        "utf8.len(s)",
        "utf8.offset(s, -1, 2e6)",
        "for _ in utf8.codes(s) do end",
        "utf8.offset(s, 1e6)",
    ],
)
def test_utf8_of_luajit_counts_a_step_for_each_character(call: str) -> None:
    source = f"local s = ('ü'):rep(1e6) while true do pcall(function() {call} end) end"
    with pytest.raises(llmspell.StepLimit):
        llmspell.run_sync(source, engine="luajit", limits={"steps": 100_000})
    once = f"local s = ('ü'):rep(1e6) {call} return 'went on'"
    if "-1" not in call:
        with pytest.raises(llmspell.StepLimit):
            llmspell.run_sync(once, engine="luajit", limits={"steps": 100_000})
