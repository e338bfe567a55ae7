"""The modules of Tengo beside what they stand for: mathematics, the calendar, what a spell may."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest

from llmspell import run_sync
from llmspell.errors import Denied

EULER = Decimal("0.577215664901532860606512090082402431042159335939923598805767234884867726778")
PI = Decimal("3.141592653589793238462643383279502884197169399375105820974944592307816406286")


def _run(tmp_path: Path, source: str, **given: Any) -> Any:
    path = tmp_path / "spell.tengo"
    path.write_text(source)
    return run_sync(path, **given).value


def _harmonic(k: int) -> Decimal:
    return sum((1 / Decimal(i) for i in range(1, k + 1)), Decimal(0))


def _bessel(n: int, x: float) -> tuple[float, float]:
    """Both kinds of order n, by their power series, with digits enough for what cancels out."""
    with localcontext() as context:
        context.prec = 110
        half = Decimal(x) / 2
        term = half**n / math.factorial(n)
        first = weighted = Decimal(0)
        k = 0
        while k <= x or abs(term) > abs(first) * Decimal(10) ** -40:
            first += term
            weighted += term * (_harmonic(k) + _harmonic(n + k) - 2 * EULER)
            k += 1
            term = -term * half * half / (k * (k + n))
        finite = sum(
            (math.factorial(n - k - 1) / Decimal(math.factorial(k)) * half ** (2 * k - n))
            for k in range(n)
        )
        return float(first), float((2 * half.ln() * first - finite - weighted) / PI)


@pytest.mark.parametrize("x", [0.01, 0.3, 1.0, 2.404825557695773, 7.7, 14.9, 29.9, 30.1, 45.3])
def test_bessel_functions_are_their_series(tmp_path: Path, x: float) -> None:
    """To twelve digits, of their own size or, near a zero, of the wave they are."""
    source = """
m := import("math")
out := [[m.j0(params.x), m.y0(params.x)], [m.j1(params.x), m.y1(params.x)]]
for n in [2, 3, 7, 20] { out = append(out, [m.jn(n, params.x), m.yn(n, params.x)]) }
export [out, m.jn(-3, params.x), m.jn(3, -params.x), m.yn(-3, params.x), m.jn(0, params.x)]
"""
    found, *others = _run(tmp_path, source, params={"x": x})
    wave = math.sqrt(2 / (math.pi * x)) if x > 2 else 0.0
    for n, got in zip([0, 1, 2, 3, 7, 20], found, strict=True):
        for value, wanted in zip(got, _bessel(n, x), strict=True):
            small = 1e-12 * wave if abs(wanted) > wave / 100 or n < 2 else 0.0
            assert value == pytest.approx(wanted, rel=1e-12, abs=small), n
    third = found[3]
    assert others == [-third[0], -third[0], -third[1], found[0][0]]


def test_bessel_functions_at_the_edges(tmp_path: Path) -> None:
    source = """
m := import("math")
export [m.j0(0), m.j1(0), m.jn(5, 0), m.j0(m.inf(1)), m.is_nan(m.y0(-1)), m.is_inf(m.y1(0), -1),
    m.y0(m.inf(1)), m.is_nan(m.jn(2, m.nan())), m.jn(m.minInt, 3.0), m.jn(12000, 1.0),
    m.jn(1, 0.000000001), m.is_inf(m.yn(60, 0.000001), -1)]
"""
    wanted = [1.0, 0.0, 0.0, 0.0, True, True, 0.0, True, 0.0, 0.0, 5e-10, True]
    assert _run(tmp_path, source) == wanted


def test_times_are_shown_in_their_zone(tmp_path: Path) -> None:
    """Both sides of a change of the clocks, far zones, and zones that are only an offset."""
    source = """
times := import("times")
json := import("json")
summer := times.date(2024, 7, 1, 12, 0, 0, 5, "Europe/Berlin")
winter := times.add_date(summer, 0, 6, 0)
parsed := times.parse(times.format_rfc3339, "2024-07-01T12:00:00-03:30")
export {
    summer: string(summer), hour: times.time_hour(summer), unix: times.time_unix(summer),
    place: times.time_location(summer), winter: string(winter),
    later: string(summer + 180 * 24 * times.hour),
    utc: string(times.to_utc(winter)), tokyo: string(times.in_location(summer, "Asia/Tokyo")),
    day: times.time_day(times.in_location(times.unix(1719860400, 0), "Asia/Tokyo")),
    same: times.in_location(summer, "Asia/Tokyo") == summer,
    parsed: string(parsed), rfc822: times.time_format(parsed, times.format_rfc822z),
    rfc3339: times.time_format(summer, times.format_rfc3339_nano),
    json: string(json.encode(summer)),
    named: string(times.parse("2006-01-02 MST", "2024-01-02 CET")), zero: string(times.unix(0, 0)),
    nowhere: is_error(times.in_location(summer, "No/where"))
}
"""
    assert _run(tmp_path, source) == {
        "summer": "2024-07-01 12:00:00.000000005 +0200 CEST",
        "hour": 12,
        "unix": 1719828000,
        "place": "Europe/Berlin",
        "winter": "2025-01-01 12:00:00.000000005 +0100 CET",
        "later": "2024-12-28 11:00:00.000000005 +0100 CET",
        "utc": "2025-01-01 11:00:00.000000005 +0000 UTC",
        "tokyo": "2024-07-01 19:00:00.000000005 +0900 JST",
        "day": 2,
        "same": True,
        "parsed": "2024-07-01 12:00:00 -0330 -0330",
        "rfc822": "01 Jul 24 12:00 -0330",
        "rfc3339": "2024-07-01T12:00:00.000000005+02:00",
        "json": '"2024-07-01T12:00:00.000000005+02:00"',
        "named": "2024-01-02 00:00:00 +0000 CET",
        "zero": "1970-01-01 00:00:00 +0000 UTC",
        "nowhere": True,
    }


def test_os_does_what_is_granted_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLOUR", "blue")
    monkeypatch.setenv("MY_API_KEY", "hidden")
    source = f"""
os := import("os")
here := "{tmp_path}"
os.mkdir_all(here + "/d/e")
fs.write(here + "/d/e/a.txt", "one")
os.rename(here + "/d/e/a.txt", here + "/d/b.txt")
got := string(os.read_file(here + "/d/b.txt"))
os.remove(here + "/d/b.txt")
export [got, os.exists(here + "/d/b.txt"), os.getenv("COLOUR")]
"""
    granted = [f"fs:{tmp_path}/**", "env:COLOUR"]
    assert _run(tmp_path, source, allow=granted) == ["one", False, "blue"]
    for call in ('os.read_file("/etc/passwd")', 'os.getenv("MY_API_KEY")', 'os.remove("/x")'):
        with pytest.raises(Denied):
            _run(tmp_path, f'os := import("os")\nexport {call}', allow=granted)


CAPABILITY_MODULES = """
clock := import("time")
data := import("json")
export [import("text").re_match("a+", "caat"), clock.now() > 0, time.now() > 0,
    is_callable(llm.generate), is_callable(import("llm").generate), params.x]
"""


def test_capabilities_are_modules_and_globals_at_once(tmp_path: Path) -> None:
    """A standard module is the language's own where both have the name."""
    assert _run(tmp_path, CAPABILITY_MODULES, params={"x": 4}) == [True, True, True, True, True, 4]


FORMATS = {
    '"%d|%5d|%-5d|%05d|%+d", 42, 42, 42, 42, 42': "42|   42|42   |00042|+42",
    '"%x|%X|%#x|%o|%b|%c|%U", 255, 255, 255, 8, 5, 65, 0x1F600': "ff|FF|0xff|10|101|A|U+1F600",
    '"%f|%.2f|%8.3f|%e|%g|%G", 1.5, 3.14159, 2.5, 12345.678, 0.00001, 1e30':
        "1.500000|3.14|   2.500|1.234568e+04|1e-05|1E+30",
    '"%s|%10s|%-6s|%.2s|%q|%x", "go", "go", "go", "gopher", "a\\"b", "hi"':
        'go|        go|go    |go|"a\\"b"|6869',
    '"%v|%v|%v|%v|%v", 1, "s", [1, "a"], {a: 1}, undefined': '1|s|[1, "a"]|{a: 1}|<undefined>',
    '"%T|%T|%T|%T", 1, 1.5, "s", []': "int|float|string|array",
    '"%t|%v|%%|%q", true, false, \'x\'': "true|false|%|'x'",
    '"%[2]d %[1]d", 1, 2': "2 1",
    '"%*d|%.*f", 5, 42, 1, 2.25': "   42|2.2",
    '"%d", "x"': "%!d(string=x)",
    '"%d %d", 1': "1 %!d(MISSING)",
    '"%d%%"': "%d%%",
    '"%d", 1, 2': "1%!(EXTRA int=2)",
}  # fmt: skip


@pytest.mark.parametrize("given", FORMATS)
def test_verbs_of_formats(tmp_path: Path, given: str) -> None:
    """The builtin and fmt.sprintf are the same; fmt.printf prints it."""
    source = f"""
fmt := import("fmt")
fmt.printf({given})
export [format({given}), fmt.sprintf({given})]
"""
    path = tmp_path / "spell.tengo"
    path.write_text(source)
    result = run_sync(path)
    assert result.value == [FORMATS[given]] * 2
    assert result.output == FORMATS[given]


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_letters_of_every_script_have_their_cases(tmp_path: Path, isolation: str) -> None:
    """What the tables of characters say reaches a state when it first asks for it."""
    source = """
text := import("text")
export [text.to_upper("straße ñandú ж"), text.to_lower("ÀÉ ΣΑ Ⅷ"), text.title("élan vital"),
    text.to_title("ǆ"), text.equal_fold("Σίσυφος", "ΣΊΣΥΦΟΣ"), text.fields("a\u00a0b\u2003c")]
"""
    assert _run(tmp_path, source, isolation=isolation) == [
        "STRAßE ÑANDÚ Ж", "àé \u03c3\u03b1 ⅷ", "Élan Vital", "ǅ", True, ["a", "b", "c"],
    ]  # fmt: skip


def test_times_of_every_year_are_told_apart(tmp_path: Path) -> None:
    """Nanoseconds of 64 bits reach from 1678 to 2262; times go on before and after."""
    source = """
times := import("times")
far := times.date(4000, 2, 29, 1, 2, 3, 4)
export [string(far), times.time_unix(far), far > times.date(3400, 1, 1, 0, 0, 0, 0),
    far - 1000000000 - times.date(4000, 2, 29, 1, 2, 2, 0), far - times.unix(0, 0),
    string(times.parse(times.format_kitchen, "3:04PM")), string(times.add_date(far, -4000, 0, 0)),
    bool(times.date(1, 1, 1, 0, 0, 0, 0)), far == times.date(4000, 2, 29, 1, 2, 3, 4), far]
"""
    assert _run(tmp_path, source) == [
        "4000-02-29 01:02:03.000000004 +0000 UTC", 64065690123, True, 4, 2**63 - 1,
        "0000-01-01 15:04:00 +0000 UTC", "0000-02-29 01:02:03.000000004 +0000 UTC", False, True,
        64065690123.0,
    ]  # fmt: skip
