"""Attacks on the sandbox, one file each: every one is held, and none disturbs what runs next."""

from __future__ import annotations

import asyncio
import faulthandler
import resource
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import pytest
from attacks import MARK, Attack, AttackError, describe, read_attack, read_attacks
from places import SECRETS, Place, bad_server, fresh_place

import llmspell
from llmspell.limits import LEVEL_LIMITS
from llmspell.spells.program import Program

FOLDERS = [
    Path(__file__).parent / "escapes" / name for name in ("lua", "gate", "javascript", "tengo")
]

MODES = dict.fromkeys(("lua54", "lua55", "javascript", "tengo"), ("none", "process"))
"""Engine -> the kinds of isolation every attack is run in: "none" is this process, "process" a
worker."""

PATIENCE = 5.0
"""Seconds an attack may run on after its time limit: a bound against hanging, no measurement."""

MEMORY = 250_000_000
"""Bytes by which one attack may raise the most this process has held."""

CANARY = """
local Account = setmetatable({}, {
  __call = function(class, n) return setmetatable({n = n}, class) end,
})
Account.__index = Account
Account.__add = function(a, b) return Account(a.n + b.n) end
function Account:show() return ("%d!"):format(self.n) end
local squares = {}
for n in coroutine.wrap(function() for n = 1, 4 do coroutine.yield(n * n) end end) do
  table.insert(squares, math.floor(n))
end
local ok, why = pcall(error, {code = "mine"})
return {
  (Account(40) + Account(2)):show(), table.concat(squares, " "), ok, why.code,
  json.decode(json.encode({list = squares})).list[3], string.upper("fine"), tostring(print),
  await(async(function() return #squares end)),
}
"""
CANARY_JS = """
class Account {
  constructor(n) { this.n = n; }
  get shown() { return `${this.n}!`; }
}
const squares = [];
for (const n of (function* () { for (let n = 1; n < 5; n++) yield n * n; })()) squares.push(n);
let why;
try { throw { code: "mine" }; } catch (e) { why = e; }
export default [
  new Account(42).shown, squares.join(" "), why === undefined, why.code,
  (await json.decode(await json.encode({ list: squares }))).list[2], "fine".toUpperCase(),
  typeof print, await async(async () => squares.length),
];
"""
CANARY_TENGO = """
text := import("text")
account := func(n) { return {n: n, shown: func() { return format("%d!", n) }} }
squares := []
for n in range(1, 5) { squares = append(squares, string(n * n)) }
e := error({code: "mine"})
export [
    account(42).shown(), text.join(squares, " "), !is_error(e), e.value.code,
    json.decode(json.encode({list: range(1, 10)})).list[8], text.to_upper("fine"),
    is_callable(print) ? "function" : "", await(async(func() { return len(squares) }))
]
"""
CANARIES = {".lua": CANARY, ".js": CANARY_JS, ".tengo": CANARY_TENGO}
SINGS = ["42!", "1 4 9 16", False, "mine", 9, "FINE", "function", 4]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with bad_server() as address:
        yield address


@pytest.fixture
def watched() -> Iterator[None]:
    """Ends this whole process, with a traceback, where an attack would hang it for ever."""
    faulthandler.dump_traceback_later(90, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def runs() -> Iterator[Any]:
    for folder in FOLDERS:
        for attack in read_attacks(folder):
            name = f"{folder.name}/{attack.name}"
            for engine, mode in ((e, mode) for e in attack.engines for mode in MODES[e]):
                yield pytest.param(
                    *(attack, engine, mode),
                    id=f"{name}-{engine}-{mode}",
                    marks=marks(attack, mode),
                )


def marks(attack: Attack, mode: str) -> list[pytest.MarkDecorator]:
    if mode == "none" and attack.alone:
        return [pytest.mark.skip(reason=f"only isolated: {attack.alone}")]
    return []


@pytest.mark.parametrize(("attack", "engine", "mode"), list(runs()))
@pytest.mark.usefixtures("watched")
def test_attack_is_held(
    attack: Attack,
    engine: str,
    mode: str,
    address: str,
    record_property: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    prepare(engine)
    before = peak_memory()
    with fresh_place(address, racing="race" in attack.name) as place:
        told = asyncio.run(tell(attack, engine, mode, place))
    record_property("seconds_over", round(told.over, 3))
    assert attack.complaints(told.result, told.log) == []
    assert told.canary.error is None, f"the next spell: {describe(told.canary.error)}"
    assert told.canary.value == SINGS
    assert told.over < PATIENCE
    assert peak_memory() - before < MEMORY


@cache
def prepare(engine: str) -> None:
    """Has an engine made ready that must be for its first use: that takes seconds, and memory."""
    assert llmspell.run_sync("", engine=engine).value is None


class Told(NamedTuple):
    """What became of an attack: `over` is how many seconds it ran beyond its limit of time."""

    result: llmspell.Result
    log: list[Any]
    over: float
    canary: llmspell.Result


async def tell(attack: Attack, engine: str, mode: str, place: Place) -> Told:
    log: list[Any] = []
    session = llmspell.Session(
        engine=engine,
        level="untrusted",
        limits=attack.limits,
        allow=[place.filled(grant) for grant in attack.allow],
        sandbox=attack.sandbox,
        folder=place.root,
        stdin=place.stdin,
        log=lambda *told: log.append(told),
    )
    session.isolation = mode  # the constructor refuses "none" for spells of strangers
    async with session:
        program = Program(place.filled(attack.source), "spell", attack.suffix, str(place.root))
        began = monotonic()
        result = await session.attempt(program)
        over = monotonic() - began - float(session.limits.time or 0)
        # The limits of an attack may be too tight for the canary.
        limits = LEVEL_LIMITS["untrusted"]._asdict()
        session.sandbox = ()
        canary = await session.attempt(
            Program(CANARIES[attack.suffix], "canary", attack.suffix), limits=limits
        )
    return Told(result, log, over, canary)


def peak_memory() -> int:
    """Bytes this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_the_corpus_is_large() -> None:
    assert len(list(FOLDERS[0].glob("*.lua"))) >= 190
    assert len(list(FOLDERS[1].glob("*.lua"))) >= 180
    assert len(list(FOLDERS[2].glob("*.js"))) >= 40
    assert len(list(FOLDERS[3].glob("*.tengo"))) >= 140


@pytest.mark.parametrize(
    ("head", "complaint"),
    [
        ("-- attack: a\n", "not both"),
        ("-- expect: refused\n", "not both"),
        ("-- attack: a\n-- expect: limit patience\n", "no outcome"),
        ("-- attack: a\n-- expect: ok\n", "not JSON"),
        ("-- attack: a\n-- expect: error Denied!\n", "no outcome"),
        ("-- attack: a\n-- expect: refused\n-- remark: b\n", "cannot read"),
        ("-- attack: a\n-- attack: a\n-- expect: refused\n", "cannot read"),
        ("-- attack: a\n-- expect: refused\n-- a remark\n", "cannot read"),
        ("-- attack: a\n-- expect: refused\n-- engines: lua51\n", "engines are"),
        ("-- attack: a\n-- expect: refused\n-- limits: time\n", "limits are"),
        ("-- attack: a\n-- expect: refused\n-- only: isolated\n", "because"),
        ("-- attack: a\n-- expect: refused\n\nreturn 1\n", "never says"),
    ],
)
def test_a_wrong_head_is_refused(tmp_path: Path, head: str, complaint: str) -> None:
    path = tmp_path / "attack.lua"
    path.write_text(head if complaint == "never says" else f"{head}\nprint('{MARK}')\n")
    with pytest.raises(AttackError, match=complaint):
        read_attack(path)


@pytest.mark.parametrize(
    ("expect", "body", "held"),
    [
        ('ok {"a":[1]}', "return {a = {1}}", True),
        ("ok 1", "return 2", False),
        ("ok 1", "print('ESCAPED') return 1", False),
        ("ok null", "log.info('ESCAPED')", False),
        ("error", "error('x')", True),
        ("error runtime: x", "error('x')", True),
        ("error: x", "error('x')", True),
        ("error runtime : y", "error('x')", False),
        ("error", "error('ESCAPED')", False),
        ("error", "error({said = 'ESCAPED'})", False),
        ("error", "return 1", False),
        ("error denied: no grant", "fs.read('x')", True),
        ("limit steps", "while true do end", True),
        ("limit time", "while true do end", False),
        ("error", "while true do end", False),
        ("ok 1 | limit steps", "while true do end", True),
        ("refused", "return return", True),
        ("refused", "error('x')", False),
    ],
)
def test_an_outcome_is_told_from_others(tmp_path: Path, expect: str, body: str, held: bool) -> None:
    path = tmp_path / "attack.lua"
    path.write_text(f"-- attack: a\n-- expect: {expect}\n\n{body} -- {MARK}\n")
    attack = read_attack(path)
    log: list[Any] = []
    session = llmspell.Session(
        level="untrusted", limits={"steps": 100}, log=lambda *told: log.append(told)
    )
    session.isolation = "none"
    result = session.attempt_sync(Program(attack.source, "spell"))
    assert (attack.complaints(result, log) == []) is held
