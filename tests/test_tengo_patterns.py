# ruff: noqa: RUF001 - letters that look like others are what this is about
"""Regular expressions of Tengo beside google-re2: classes of Unicode, letter case, their cost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import re2
from conftest import PATIENCE

from llmspell import Checkpoint, Session, run_sync
from llmspell.emit.unicode import CATEGORIES, SCRIPTS
from llmspell.engines import tengo
from llmspell.engines.base import Answer, Busy
from llmspell.engines.tengo import SELDOM, TengoEngine, TengoIsolate
from llmspell.errors import MemoryLimit, ScriptRuntimeError
from llmspell.limits import Limits

TABLES = {"regex", "sets", "unicode", "characters"}
NAMES = [*CATEGORIES.split(), *SCRIPTS.split()]
EVERY = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000).encode()
QUIET = re2.Options()
QUIET.log_errors = False

FIND = """
text := import("text")
out := []
for pair in params.pairs {
    found := text.re_find(pair[0], pair[1], -1)
    spans := []
    if is_error(found) {
        spans = string(found.value)
    } else if found != undefined {
        for groups in found {
            at := groups[0]
            if at.begin < at.end { spans = append(spans, [at.begin, at.end]) }
        }
    }
    out = append(out, spans)
}
export out
"""


def ours(pairs: list[tuple[str, str]]) -> list[Any]:
    """What each pattern finds in its text, in bytes; or why it is none."""
    given = {"pairs": [list(pair) for pair in pairs]}
    return list(Session(engine="tengo").run_sync(FIND, given).value)


def theirs(pattern: str, text: str) -> list[list[int]]:
    """The same of google-re2. Where nothing is found between two others differs by binding."""
    found = re2.compile(pattern.encode(), QUIET).finditer(text.encode())
    return [list(match.span()) for match in found if match.group()]


def compare(pairs: list[tuple[str, str]]) -> None:
    for (pattern, text), got in zip(pairs, ours(pairs), strict=True):
        assert got == theirs(pattern, text), (pattern, text)


@cache
def members(pattern: str) -> str:
    """All characters that a pattern matches."""
    found = re2.compile(f"(?:{pattern})+".encode(), QUIET).finditer(EVERY)
    return b"".join(match.group() for match in found).decode()


def edges(characters: str) -> Iterable[int]:
    """The first and last of each range, and what is beside it."""
    codes = list(map(ord, characters))
    for before, code, after in zip([-9, *codes], codes, [*codes[1:], -9], strict=False):
        if before != code - 1:
            yield from (code - 1, code)
        if after != code + 1:
            yield from (code, code + 1)


def as_text(codes: Iterable[int]) -> str:
    fit = {code for code in codes if 0 <= code < 0x110000 and not 0xD800 <= code < 0xE000}
    return "".join(map(chr, sorted(fit)))


# Classes.


@pytest.mark.parametrize("form", ["{}", "(?i){}"])
def test_every_class_is_that_of_re2(form: str) -> None:
    """Where each of its ranges begins and ends, and where those of a few others do."""
    others = {
        code for name in ("L", "Lu", "Greek", "Nd") for code in edges(members(rf"\p{{{name}}}"))
    }
    few = random.Random(1).sample(sorted(others), 60)
    pairs = []
    for name in NAMES:
        pattern = form.format(rf"\p{{{name}}}")
        pairs.append((pattern + "+", as_text([*edges(members(pattern)), *few])))
    compare(pairs)


def test_no_character_is_left_out_of_scripts() -> None:
    """The names in the table are all there are: together they hold what has a script."""
    assert set(members("[" + "".join(rf"\p{{{name}}}" for name in SCRIPTS.split()) + "]")) == set(
        members(r"[\pL\pM\pN\pP\pS\pZ\p{Cc}\p{Cf}]")
    )


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"\p{Greek}+", "aβγ δ1", ["βγ", "δ"]),
        (r"\pN+", "12Ⅷ½x٣", ["12Ⅷ½", "٣"]),
        (r"\PN+", "1ab2", ["ab"]),
        (r"\P{Lu}+", "aBéÉ", ["a", "é"]),
        (r"\p{^Lu}+", "aBéÉ", ["a", "é"]),
        (r"\P{^Lu}+", "aBéÉ", ["B", "É"]),
        (r"[\p{L}\d]+", "é1-ж2", ["é1", "ж2"]),
        (r"[^\p{L}\d]+", "é1-+ж2", ["-+"]),
        (r"[\P{L}ж]+", "é1-ж2", ["1-ж2"]),
        (r"[\pL-]+", "a-b c", ["a-b", "c"]),
        (r"[^\PL]+", "aé1", ["aé"]),
        (r"\p{Any}+", "a\U0010ffff", ["a\U0010ffff"]),
        (r"\p{Cs}", "a\ufffd", []),
        (r"^\p{Han}+$", "漢字", ["漢字"]),
        (r"(?i)kelvin", "\u212aelvin", ["\u212aelvin"]),
        (r"(?i)\x{212A}+", "kKK\u212a", ["kKK\u212a"]),
        (r"(?i)s+", "sSſ", ["sSſ"]),
        (r"(?i)[^s]+", "sSſt", ["t"]),
        (r"(?i)σ+", "σΣς", ["σΣς"]),
        (r"(?i)привет", "ПРИвет", ["ПРИвет"]),
        (r"(?i)[а-я]+", "ЖЯё", ["ЖЯ"]),
        (r"(?i)straße", "STRAẞE", ["STRAẞE"]),
        (r"(?i)straße", "STRASSE", []),
        (r"(?i)\W+", "kKſ\u212a-", ["-"]),
        (r"(?i)[\W]+", "kKſ\u212a-", ["-"]),
        (r"(?i)[[:^lower:]]+", "kKſ1", ["1"]),
        (r"(?i)\p{Lu}+", "aÉ1é", ["aÉ", "é"]),
        (r"(?i)\P{Lu}+", "aÉ1é", ["1"]),
        (r"(?i)\Qçé\E", "ÇÉ", ["ÇÉ"]),
        (r"(?i)й(?-i)й", "Йй ЙЙ", ["Йй"]),
        (r"(?i:ǆ)+", "ǄǅǆX", ["Ǆǅǆ"]),
        (r"(?i)İ|ı", "iIıİ", ["ı", "İ"]),
        (r"x(?:й?|.)+", "xжж", ["x"]),
        (r"x(?:|ж)+", "xжж", ["x"]),
        (r"x(?:й?|ж)*", "xжйж", ["x"]),
        (r"x(?:ж|й?)*", "xжйж", ["xжйж"]),
        (r"x(?:ж|й){2,}?", "xжйж", ["xжй"]),
        (r"x(ж*?)*$", "xжж", ["xжж"]),
    ],
)
def test_what_a_pattern_finds(pattern: str, text: str, found: list[str]) -> None:
    """In words that a reader can check, and what google-re2 says too."""
    spans = ours([(pattern, text)])[0]
    assert [text.encode()[a:b].decode() for a, b in spans] == found
    assert spans == theirs(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [
        (r"\p{Klingon}", r"\p{Klingon}"),
        (r"a\P{^Nope}b", r"\P{^Nope}"),
        (r"[\p{greek}]", r"\p{greek}"),
        (r"\pé", r"\pé"),
        (r"\pX", r"\pX"),
        (r"\p{L", r"\p{L"),
        (r"\p{}", r"\p{}"),
        (r"(?i)\p{Lu 1}", r"\p{Lu 1}"),
        (r"\p", r"\p"),
    ],
)
def test_a_class_that_is_none_is_an_error_value(pattern: str, shown: str) -> None:
    with pytest.raises(re2.error):
        theirs(pattern, "")
    told = ours([(pattern, "a")])[0]
    assert told == f"error parsing regexp: invalid character class range: `{shown}`"


WRONG = [
    ("[b-a]c", "invalid character class range: `b-a`"),
    ("x[0-9", "missing closing ]: `[0-9`"),
    (r"[k-\d]", r"invalid escape sequence: `\d`"),
    ("[[:^none:]]", "invalid character class range: `[:^none:]`"),
    (r"k\é", r"invalid escape sequence: `\é`"),
    (r"k\3", r"invalid escape sequence: `\3`"),
    (r"\xz0", r"invalid escape sequence: `\xz0`"),
    (r"\x{110000}", r"invalid escape sequence: `\x{110000`"),
    ("k\\", "trailing backslash at end of expression: ``"),
    ("k{2,1}", "invalid repeat count: `{2,1}`"),
    ("k{1001,}", "invalid repeat count: `{1001,}`"),
    ("k+?*?", "invalid nested repetition operator: `+?*?`"),
    ("k{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
    ("k|{3}", "missing argument to repetition operator: `{3}`"),
    ("(?i)*?", "missing argument to repetition operator: `*?`"),
    ("(?P<a-b>k)", "invalid named capture: `(?P<a-b>`"),
    ("(?P<a", "invalid named capture: `(?P<a`"),
    ("(?isé)", "invalid or unsupported Perl syntax: `(?isé`"),
    ("(k", "missing closing ): `(k`"),
    ("k)é", "unexpected ): `k)é`"),
]


@pytest.mark.parametrize(("pattern", "why"), WRONG)
def test_what_is_wrong_with_a_pattern_is_told_with_its_place(pattern: str, why: str) -> None:
    with pytest.raises(re2.error):
        theirs(pattern, "")
    assert ours([(pattern, "")]) == [f"error parsing regexp: {why}"]


PIECES = [
    *"ab-()[]{}*+?|^$.:is01é\\",
    *("{2}", "{2,}", "{,2}", "{01}", "(?:", "(?i)", "(?P<n>", "(?", "[^", "b-a", "]-", "[:alpha:]"),
    *(r"\d", r"\12", r"\0123", r"\x41", r"\x{42}", r"\b", r"\z", r"\Qa.b\E", r"\pL"),
]


@pytest.mark.parametrize("seed", range(3))
def test_what_is_no_pattern_is_what_re2_refuses(seed: int) -> None:
    pick = random.Random(seed)
    patterns = ["".join(pick.choices(PIECES, k=pick.randrange(1, 8))) for _ in range(3000)]
    told = ours([(pattern, "a") for pattern in patterns])
    for pattern, got in zip(patterns, told, strict=True):
        try:
            wanted: Any = theirs(pattern, "a")
        except re2.error:
            wanted = None
        assert (got if isinstance(got, list) else None) == wanted, pattern


# Letter case.


def test_the_case_of_every_letter_is_that_of_re2() -> None:
    """Each letter that has another case, beside all it is the same as, and their neighbours."""
    cased = members(r"(?i:[\p{Lu}\p{Ll}\p{Lt}\p{Nl}\x{24B6}-\x{24E9}])")
    among = cased.encode()
    pairs = []
    for c in cased:
        same = re2.compile(f"(?i){c}".encode()).findall(among)
        codes = [ord(item.decode()) for item in same]
        if len(codes) > 1:
            beside = {code + d for code in codes for d in (-32, -2, -1, 0, 1, 2, 32, 48, 80)}
            pairs.append((f"(?i){c}", as_text(beside | set(codes))))
    assert len(pairs) > 2800
    compare(pairs)


LETTERS = (
    "kKsSſ\u212aµμΜσςΣßẞåÅ\u212béÉяЯѐaZ0_ -\nǅǆǄꙊᲈῳÿŸİıiI٣१中한ʼ"
    "\u0345ιΙ𐐀𐐨Ⅷⅷⓐ €\U000e0001\ue000\u0378"
)


class Maker:
    """Makes patterns from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def text(self) -> str:
        return "".join(self._random.choices(LETTERS, k=self._random.randrange(40)))

    def pattern(self, depth: int = 0) -> str:
        pick = self._random
        made = "".join(
            self._atom(depth) + pick.choice(["", "", "+", "*", "?", "{2}", "+?"])
            for _ in range(pick.randrange(1, 4))
        )
        start = pick.choice(["", "(?i)", "(?i)"]) if depth == 0 else ""
        return start + (made + "|" + self._atom(depth) if pick.random() < 0.2 else made)

    def _atom(self, depth: int) -> str:
        pick = self._random
        kinds = [self._class, self._brackets, self._letter]
        if pick.random() < 0.1:
            return pick.choice([".", r"\w", r"\W", r"\S", r"\D", r"\bk", r"\Qσ\E"])
        if depth < 2 and pick.random() < 0.2:
            return f"({pick.choice(['', '?i:', '?:', '?-i:'])}{self.pattern(depth + 1)})"
        return pick.choice(kinds)()

    def _letter(self) -> str:
        return self._random.choice([c for c in LETTERS if c not in " -\n"])

    def _class(self) -> str:
        pick = self._random
        name = pick.choice([pick.choice(NAMES), pick.choice(["L", "Lu", "Greek", "Any", "N"])])
        if len(name) == 1 and pick.random() < 0.5:
            return pick.choice(["\\p", "\\P"]) + name
        return pick.choice(["\\p", "\\P"]) + "{" + pick.choice(["", "", "^"]) + name + "}"

    def _brackets(self) -> str:
        pick = self._random
        items = []
        for _ in range(pick.randrange(1, 4)):
            first, last = sorted([self._letter(), self._letter()])
            start = pick.choice([0x20, 0x100, 0x370, 0x400, 0x1E00, 0x10000])
            few = [r"\d", r"\W", r"\S", "[:alpha:]", "[:^lower:]", "[:^ascii:]", "[:word:]"]
            items.append(
                pick.choice(
                    [
                        self._class(),
                        pick.choice(few),
                        f"{first}-{last}",
                        f"\\x{{{start:x}}}-\\x{{{start + pick.randrange(600):x}}}",
                        self._letter(),
                    ]
                )
            )
        return f"[{pick.choice(['', '', '^'])}{''.join(items)}]"


@pytest.mark.parametrize("seed", range(4))
def test_patterns_at_random_find_what_re2_finds(seed: int) -> None:
    maker = Maker(seed)
    compare([(maker.pattern(), maker.text()) for _ in range(1500)])


# Where they run, and what they cost.

EVERYWHERE = """
text := import("text")
seen := []
for i, name in ["Greek", "Lu", "Cyrillic", "Nope"] {
    got := text.re_match("(?i)^[\\\\p{" + name + "}]+$", "Σς")
    seen = append(seen, is_error(got) ? "no such class" : got)
    time.iso(i)
}
pattern := text.re_compile("(?i)(я+)")
seen = append(seen, pattern.replace("Я яЯ", "<$1>"), pattern.split("1Я2", -1))
run := func() { return text.re_match("(?i)ж", "Ж") }
seen = append(seen, await(async(run)))
export seen
"""
SEEN = [True, True, False, "no such class", "<Я> <яЯ>", ["1", "2"], True]


def test_it_is_the_same_in_a_worker_that_may_nothing(tmp_path: Path) -> None:
    """Which has no files, and no library that knows Unicode."""
    path = tmp_path / "spell.tengo"
    path.write_text(EVERYWHERE)
    assert run_sync(path).value == SEEN
    assert run_sync(path, level="untrusted").value == SEEN


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_it_is_the_same_replayed_and_restored(tmp_path: Path, isolation: str) -> None:
    options: dict[str, Any] = {"engine": "tengo", "isolation": isolation}
    journal = tmp_path / "journal.jsonl"
    first = Session(record=journal, **options).run_sync(EVERYWHERE)
    again = Session(replay=journal, **options).run_sync(EVERYWHERE)
    assert first.value == again.value == SEEN

    async def go() -> None:
        async with Session(**options) as here:
            running = here.start(EVERYWHERE)
            assert (await asyncio.wait_for(running.result(), PATIENCE)).value == SEEN
            lines = running.checkpoint().lines
            assert len(lines) >= 4
            for size in range(1, len(lines) + 1):
                restored = here.restore(Checkpoint(lines[:size]))
                assert (await asyncio.wait_for(restored.result(), PATIENCE)).value == SEEN

    asyncio.run(go())


def _started(source: str, memory: int | None = None) -> tuple[TengoIsolate, Answer]:
    engine = TengoEngine()
    isolate = engine.isolate({}, Limits(memory=memory))
    isolate.allot(5.0, 60.0)
    return isolate, isolate.run(1, engine.compile(source, "spell.tengo"), b"{}")


@pytest.mark.parametrize(
    ("source", "given"),
    [
        ("export 1", set()),
        ('export import("text").contains("é", "e")', set()),
        ('export import("text").re_match("(?i)[^k]\\\\W", "é ")', {"regex", "sets"}),
        ('export import("text").re_match("[é-ü]", "é")', {"regex", "sets"}),
        ('export import("text").re_match("(?i)é", "É")', TABLES),
        ('export import("text").re_match("\\\\p{Lu}", "É")', TABLES),
        (TengoEngine.warm, set(SELDOM)),
    ],
)
def test_a_state_has_only_what_its_patterns_need(
    source: str, given: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a worker has read all of it before it is locked down."""
    read, seen = tengo._code, set()

    def spy(name: str) -> bytes:
        seen.add(name)
        return read(name)

    tengo._files()
    monkeypatch.setattr(tengo, "_code", spy)
    isolate, answer = _started(source)
    assert answer.ended[0].error is None
    assert seen == given
    isolate.close()


def test_memory_that_runs_out_over_classes_ends_the_run() -> None:
    """At whatever moment: while the table is given, read, or folded."""
    source = 'r := import("text").re_match("(?i)[\\\\p{L}\\\\P{Lu}]", "é")\nexport r'
    ended = set()
    for memory in range(20_000, 1_600_000, 20_000):
        isolate, answer = _started(source, memory)
        for _ in range(50):
            answer = isolate.proceed() if isinstance(answer, Busy) else answer
        assert not isinstance(answer, Busy)
        errors = [end.error for end in answer.ended if end.error is not None]
        assert all(isinstance(error, MemoryLimit | ScriptRuntimeError) for error in errors)
        ended.add(any(isinstance(error, MemoryLimit) for error in errors))
        isolate.close()
    assert ended == {True, False}


def test_the_steps_of_a_match_grow_with_the_text_only() -> None:
    """Four times the text takes four times the steps, also where ways to match are many."""

    def steps(pattern: str, length: int) -> int:
        source = f'export import("text").re_match({pattern!r}, params.text)'.replace("'", "`")
        source = source.replace("\\\\", "\\")
        given = {"text": "жЖσς" * length}
        result = Session(engine="tengo").run_sync(source, given)
        assert result.value is False
        return result.usage.steps

    for pattern in (
        r"(?i)^((\p{L}+)+|([\p{Lu}\p{Ll}\P{N}]+)+)+\d$",
        r"(?i)^(ж|Ж|\p{L}|.)*[^\P{N}]$",
        r"(\p{L}*\p{L}*)*\pN",
    ):
        base, few, many = (steps(pattern, length) for length in (0, 400, 1600))
        assert many - base < 4.3 * (few - base), pattern


def test_a_large_class_costs_a_character_as_much_as_a_small_one() -> None:
    """In steps: what is looked up is not gone through."""
    found = {}
    for name in ("Zl", "L"):
        source = f'export import("text").re_match("^\\\\P{{{name}}}+$", params.text)'
        result = Session(engine="tengo").run_sync(source, {"text": "१" * 3000})
        assert result.value is True
        found[name] = result.usage.steps
    assert found["L"] < found["Zl"] + 3000
