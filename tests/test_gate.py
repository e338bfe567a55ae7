"""The gate: each of its steps alone, and that they come in their order."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import errno
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest

from llmspell.capability import CATALOGUE, HANDLES, Capability, capability, handle
from llmspell.errors import (
    BadArgument,
    BudgetExceeded,
    CallLimit,
    Cancelled,
    CapabilityError,
    ConfigError,
    Denied,
    FileFailure,
    HostFailure,
    LimitExceeded,
    NotFound,
    ProviderFailure,
    ScriptRuntimeError,
)
from llmspell.host.context import Context
from llmspell.limits import Limits, Meter
from llmspell.policy import Policy
from llmspell.runtime.gate import CallRecord, Gate
from llmspell.runtime.journal import LATER, Recorded
from llmspell.typespec import HANDLE_KINDS
from llmspell.values import FunctionRef

SECRET = "sk-0123456789abcdef"
KINDS = ("sync", "async")

Behaviour = Callable[[], Any]


class Robot:
    """A machine."""

    def __init__(self) -> None:
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


@dataclass(frozen=True)
class Reading:
    """What was measured.

    value: the number.
    """

    value: float


class Notes:
    """A journal that remembers what it was asked and told."""

    replays = False

    def __init__(self, answers: dict[str, bytes | CapabilityError] | None = None) -> None:
        self.answers = answers or {}
        self.asked: list[tuple[str, bytes]] = []
        self.told: list[tuple[str, bytes, bytes | CapabilityError]] = []

    def recorded(self, name: str, args: bytes) -> Recorded | None:
        self.asked.append((name, args))
        answer = self.answers.get(name)
        return None if answer is None else Recorded(1, answer)

    def record(self, name: str, args: bytes, answer: bytes | CapabilityError) -> None:
        self.told.append((name, args, answer))


class House:
    """A gate with four capabilities, and what they were called with.

    test.sync and test.async need env:{name}; plain.sync and plain.async need nothing.
    """

    def __init__(
        self,
        *grants: str,
        limits: Limits = Limits(),
        journal: Notes | None = None,
        behave: Behaviour = lambda: "done",
    ) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.called: list[CallRecord] = []
        self.written: list[str] = []
        self.invoked: list[tuple[int, list[Any]]] = []

        def work(*args: Any) -> Any:
            self.calls.append(args)
            return behave()

        def sync(ctx: Context, name: str, count: int = 1) -> Any:
            """Works.

            name: on what.
            count: how often.
            returns: what came of it.
            """
            return work(name, count)

        async def asynchronous(ctx: Context, name: str, count: int = 1) -> Any:
            """Works later.

            name: on what.
            count: how often.
            returns: what came of it.
            """
            await asyncio.sleep(0)
            return work(name, count)

        def write(ctx: Context, text: str) -> None:
            """Prints.

            text: what.
            """
            ctx.write(text)

        for name, function in (("sync", sync), ("async", asynchronous)):
            capability(f"test.{name}", since="0.1", needs="env:{name}")(function)
            capability(f"plain.{name}", since="0.1")(function)
        capability("out.write", since="0.1", oneway=True)(write)

        async def invoke(number: int, args: list[Any]) -> str:
            self.invoked.append((number, args))
            return "from the script"

        self.gate = Gate(
            {name: CATALOGUE[name] for name in CATALOGUE},
            invoke,
            journal,
            self.called.append,
            lambda text: text.replace(SECRET, "***"),
        )
        self.gate.context = Context(
            policy=Policy("untrusted", grants),
            meter=Meter(limits),
            services=cast(Any, None),
            invoke=self.gate.call,
            write=self.written.append,
            load_module=lambda name: None,
            tools=cast(Any, None),
        )

    def enter(self, name: str, args: bytes) -> bytes | CapabilityError:
        """What comes of one call."""
        answer = self.gate.enter(name, args)
        if isinstance(answer, bytes | CapabilityError):
            return answer
        return asyncio.run(cast(Any, answer))

    def refused(self, name: str, args: bytes) -> CapabilityError:
        """The error a call is answered with, before its function was called."""
        answer = self.failed(name, args)
        assert self.calls == [], "a refused call is not made"
        return answer

    def failed(self, name: str, args: bytes) -> CapabilityError:
        """The error a call is answered with."""
        answer = self.enter(name, args)
        assert isinstance(answer, CapabilityError)
        assert self.called[-1].name == name
        assert self.called[-1].error == answer.code
        return answer


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Takes back what a test declares, and declares it without what is there."""
    tables: list[dict[Any, Any]] = [CATALOGUE, HANDLES, HANDLE_KINDS]
    before = [dict(table) for table in tables]
    for table in tables:
        table.clear()
    yield
    for table, kept in zip(tables, before, strict=True):
        table.clear()
        table.update(kept)


# Step by step. ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_that_passes(kind: str) -> None:
    house = House("env:HOME")
    assert house.enter(f"test.{kind}", b'["HOME",2]') == b'"done"'
    assert house.calls == [("HOME", 2)]
    assert [record.name for record in house.called] == [f"test.{kind}"]
    assert house.called[0].error == ""
    assert house.called[0].seconds >= 0
    assert house.gate.records == house.called
    assert house.gate.context.meter.usage.calls == 1


def test_an_unknown_name_suggests_a_known_one() -> None:
    house = House()
    error = house.refused("test.snyc", b"not even JSON")
    assert type(error) is NotFound
    assert (error.message, error.capability) == (
        "test.snyc does not exist; did you mean test.sync?",
        "test.snyc",
    )
    assert house.refused("nothing.like_it", b"[]").message == "nothing.like_it does not exist"


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_is_denied_before_its_arguments_are_read(kind: str) -> None:
    error = House("llm", "!env").refused(f"test.{kind}", b"not even JSON")
    assert type(error) is Denied
    assert error.message == "no grant for env; allow it with --allow env:NAME"
    assert error.capability == f"test.{kind}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("args", "said"),
    [
        (b"[1]", "name must be a string, got number"),
        (b"[]", "name is missing: it must be a string"),
        (b'["SECRET","x"]', "count must be an integer, got string"),
        (b'["x",1,2]', "takes at most 2 arguments, got 3"),
    ],
)
def test_a_misfit_is_told_before_its_resource_is_asked_for(
    kind: str, args: bytes, said: str
) -> None:
    error = House("env:HOME").refused(f"test.{kind}", args)
    assert type(error) is BadArgument
    assert error.message == f"test.{kind}: {said}"
    assert error.capability == f"test.{kind}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("args", [b"", b"{", b"\xff", b'{"a":1}', b"5", b"null"])
def test_arguments_that_are_no_list_of_values_are_refused(kind: str, args: bytes) -> None:
    house = House("env:HOME")
    assert house.refused(f"test.{kind}", args).message.startswith(f"test.{kind}")


@pytest.mark.parametrize("kind", KINDS)
def test_the_resource_must_be_covered(kind: str) -> None:
    house = House("env:HOME")
    error = house.refused(f"test.{kind}", b'["PATH"]')
    assert type(error) is Denied
    assert error.message == "no grant for env:PATH; allow it with --allow env:PATH"
    assert house.enter(f"test.{kind}", b'["HOME"]') == b'"done"'


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_call_counts_too(kind: str) -> None:
    house = House(limits=Limits(calls=2))
    house.refused("nothing.like_it", b"[]")
    house.refused(f"test.{kind}", b'["PATH"]')
    with pytest.raises(CallLimit):
        house.enter(f"test.{kind}", b'["PATH"]')


@pytest.mark.parametrize("kind", KINDS)
def test_the_call_limit_ends_the_run_before_a_recorded_answer_is_looked_up(kind: str) -> None:
    notes = Notes({f"plain.{kind}": b"1"})
    house = House(limits=Limits(calls=2), journal=notes)
    for _ in range(2):
        assert house.enter(f"plain.{kind}", b'["x"]') == b"1"
    with pytest.raises(CallLimit, match="2 calls"):
        house.enter(f"plain.{kind}", b'["x"]')
    assert len(notes.asked) == 2
    assert house.calls == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("answer", [b"[1,2]", NotFound("gone"), HostFailure("no", code="own")])
def test_a_recorded_answer_skips_the_function(kind: str, answer: bytes | CapabilityError) -> None:
    notes = Notes({f"test.{kind}": answer})
    house = House("env:HOME", journal=notes)
    assert house.gate.enter(f"test.{kind}", b'["HOME"]') is answer, "at once, async or not"
    assert house.gate.place == 1, "where it stood in the recording"
    assert house.calls == []
    assert notes.asked == [(f"test.{kind}", b'["HOME"]')]
    assert house.called[0].error == (answer.code if isinstance(answer, CapabilityError) else "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_recorded_answer_does_not_go_round_the_policy(kind: str) -> None:
    notes = Notes({f"test.{kind}": b"1"})
    for grants in ((), ("env:HOME",)):
        assert type(House(*grants, journal=notes).refused(f"test.{kind}", b'["X"]')) is Denied
        CATALOGUE.clear()
    assert type(House("env", journal=notes).refused(f"test.{kind}", b"[5]")) is BadArgument
    assert notes.asked == []


def test_only_a_recorded_answer_has_a_place() -> None:
    house = House(journal=Notes({"plain.sync": b"1"}))
    house.enter("plain.sync", b'["x"]')
    assert house.gate.place == 1
    house.enter("plain.async", b'["x"]')
    assert house.gate.place == LATER
    house.enter("plain.sync", b'["x"]')
    house.enter("no.such", b"[]")
    assert house.gate.place == LATER


def test_what_only_makes_other_calls_is_neither_recorded_nor_replayed() -> None:
    def work(ctx: Context) -> int:
        """Works.

        returns: 5.
        """
        return 5

    capability("test.again", since="0.1", again=True)(work)
    notes = Notes({"test.again": b"1"})
    assert House(journal=notes).enter("test.again", b"[]") == b"5"
    assert (notes.asked, notes.told) == ([], [])


@pytest.mark.parametrize("kind", KINDS)
def test_every_answer_is_recorded_as_it_is_given(kind: str) -> None:
    notes = Notes()
    house = House("env:HOME", journal=notes)
    good = house.enter(f"test.{kind}", b'["HOME"]')
    bad = house.enter(f"test.{kind}", b'["PATH"]')
    assert notes.told == [
        (f"test.{kind}", b'["HOME"]', good),
        (f"test.{kind}", b'["PATH"]', bad),
    ]
    assert notes.asked == [(f"test.{kind}", b'["HOME"]')]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({1: 2}, "the result has the key 1, and keys must be strings"),
        ([float("nan")], "the result[1] is not a finite number"),
        ({"a": [2**64]}, "the result.a[1] is an integer of more than 64 bits"),
        (object(), "the result is a object, which cannot cross"),
        ([[[[1]]]], "the result[1][1][1] is nested more than 3 deep (or contains itself)"),
    ],
    ids=["key", "nan", "big", "object", "deep"],
)
def test_a_result_that_does_not_fit_is_our_failure(kind: str, result: Any, said: str) -> None:
    house = House(behave=lambda: result, limits=Limits(depth=3))
    error = house.failed(f"plain.{kind}", b'["x"]')
    assert type(error) is HostFailure
    assert (error.code, error.message) == ("value", f"plain.{kind}: {said}")
    assert error.capability == f"plain.{kind}"
    assert house.calls == [("x", 1)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_crosses_in_text_form(kind: str) -> None:
    house = House(behave=lambda: [Reading(1.5), b"\xff", None])
    assert house.enter(f"plain.{kind}", b'["x"]') == (b'[{"value":1.5},{"\\u0000bytes":"ff"},null]')


def raising(error: BaseException) -> Behaviour:
    def behave() -> Any:
        raise error

    return behave


INTERNAL = "{name} failed inside llmspell; run with --debug and report it"

FOREIGN: list[tuple[Exception, type[CapabilityError], str, str]] = [
    (ValueError("odd"), HostFailure, "internal", INTERNAL),
    (KeyError("/home/user/x.py"), HostFailure, "internal", INTERNAL),
    (TypeError(), HostFailure, "internal", INTERNAL),
    (RecursionError("deep"), HostFailure, "internal", INTERNAL),
    (MemoryError(), HostFailure, "internal", INTERNAL),
    (FileNotFoundError(errno.ENOENT, "No such file", "x"), FileFailure, "io",
     "{name}: No such file"),
    (PermissionError(errno.EACCES, "Permission denied"), FileFailure, "io",
     "{name}: Permission denied"),
    (OSError(errno.ENOSPC, "No space left"), FileFailure, "io", "{name}: No space left"),
    (OSError("strange"), FileFailure, "io", "{name}: OSError"),
    (ConnectionResetError(), FileFailure, "io", "{name}: ConnectionResetError"),
    (ScriptRuntimeError("nil value"), HostFailure, "script", "{name}: nil value"),
    (ConfigError("no model"), HostFailure, "config", "{name}: no model"),
    (NotFound("gone"), NotFound, "not_found", "gone"),
    (Cancelled("stopped"), Cancelled, "cancelled", "stopped"),
    (ProviderFailure("down", code="timeout", retryable=True), ProviderFailure, "timeout", "down"),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", FOREIGN, ids=lambda case: repr(case[0]))
def test_errors_are_mapped(
    kind: str, case: tuple[Exception, type[CapabilityError], str, str]
) -> None:
    raised, (_, cls, code, said) = copy.copy(case[0]), case
    name = f"plain.{kind}"
    error = House(behave=raising(raised)).failed(name, b'["x"]')
    assert type(error) is cls
    assert (error.code, error.message) == (code, said.format(name=name))
    assert str(error) == error.message
    assert error.args == (error.message,)
    assert error is raised or error.__cause__ is raised


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["x" * 5_000_000, "x" * 3990 + SECRET], ids=["long", "secret"])
def test_a_long_message_is_clipped_after_secrets_are_hidden(kind: str, text: str) -> None:
    """Messages are kept until the run ends, so their length must not be up to the script."""
    error = House(behave=raising(NotFound(text))).failed(f"plain.{kind}", b'["x"]')
    assert 3990 < len(error.message) <= 4000
    assert SECRET[:4] not in error.message
    assert error.args == (error.message,)


def test_an_error_keeps_the_name_of_the_capability_it_came_from() -> None:
    house = House(behave=raising(NotFound("gone", capability="fs.read")))
    assert house.failed("plain.sync", b'["x"]').capability == "fs.read"
    fresh = NotFound("gone")
    CATALOGUE.clear()
    assert House(behave=raising(fresh)).failed("plain.sync", b'["x"]').capability == "plain.sync"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "raised",
    [
        ValueError(f"401 for key {SECRET}"),
        OSError(errno.EIO, f"cannot open {SECRET}"),
        ProviderFailure(f"bad key {SECRET}"),
        NotFound(f"no model {SECRET}"),
        ScriptRuntimeError(f"said {SECRET}"),
        ConfigError(f"wrong {SECRET}"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_secret_is_in_what_a_script_is_told(kind: str, raised: Exception) -> None:
    notes = Notes()
    house = House(behave=raising(copy.copy(raised)), journal=notes)
    error = house.failed(f"plain.{kind}", b'["x"]')
    told = f"{error}{error!r}{error.message}{json.dumps(error.as_dict())}"
    assert SECRET not in told
    assert ("***" in error.message) is (error.code != "internal")  # that repeats nothing at all
    assert SECRET not in str(notes.told)


@pytest.mark.parametrize("args", [b'["%s"]', b'["x","%s"]'])
def test_no_secret_is_in_a_refusal(args: bytes) -> None:
    house = House("env:HOME")
    error = house.refused("test.sync", args.replace(b"%s", SECRET.encode()))
    assert SECRET not in str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_is_not_told_but_raised(kind: str) -> None:
    house = House(behave=raising(BudgetExceeded("5 tokens")))
    with pytest.raises(LimitExceeded, match="5 tokens"):
        house.enter(f"plain.{kind}", b'["x"]')
    assert house.called == []


def test_cancelling_is_not_mapped() -> None:
    house = House(behave=raising(asyncio.CancelledError()))
    answer = house.gate.enter("plain.async", b'["x"]')
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cast(Any, answer))


# What goes with it. -------------------------------------------------------------------------------


def test_an_async_function_is_not_started_before_it_is_awaited() -> None:
    house = House()
    answer = house.gate.enter("plain.async", b'["x"]')
    assert house.calls == []
    assert not isinstance(answer, bytes | CapabilityError)
    assert asyncio.run(cast(Any, answer)) == b'"done"'


def test_output_is_told_without_an_answer() -> None:
    house = House(limits=Limits(calls=1))
    for _ in range(3):
        house.gate.tell("out.write", b"text\xff")
    assert house.written == ["text\ufffd"] * 3
    assert house.called == [], "printing is no call of the run"
    assert house.gate.seen == {"out.write"}


def test_a_host_service_calls_as_the_script_would() -> None:
    house = House("env:HOME")
    assert asyncio.run(house.gate.call("test.sync", "HOME", 3)) == "done"
    assert asyncio.run(house.gate.call("test.async", "HOME", None)) == "done"
    assert house.calls == [("HOME", 3), ("HOME", 1)]
    with pytest.raises(Denied, match="env:PATH"):
        asyncio.run(house.gate.call("test.async", "PATH"))
    with pytest.raises(BadArgument, match=r"test\.sync: name must be a string"):
        asyncio.run(house.gate.call("test.sync", 1))
    assert len(house.called) == 4


def test_the_list_of_calls_does_not_grow_for_ever() -> None:
    house = House(limits=Limits(calls=None))
    for _ in range(10_050):
        house.gate.enter("plain.sync", b'["x"]')
    assert len(house.gate.records) == 10_000
    assert len(house.called) == 10_050


def test_a_function_of_the_script_arrives_callable() -> None:
    taken: list[FunctionRef] = []

    def take(ctx: Context, f: FunctionRef) -> None:
        """Takes a function.

        f: the function.
        """
        taken.append(f)

    capability("test.take", since="0.1")(take)
    house = House()
    assert house.enter("test.take", b'[{"\\u0000function":4}]') == b"null"
    assert asyncio.run(taken[0]("a", 1)) == "from the script"
    assert house.invoked == [(4, ["a", 1])]


# Handles. -----------------------------------------------------------------------------------------


def robots() -> list[Robot]:
    """Declares robot.build, robot.build_later and robot.name; gives the list of those built."""
    built: list[Robot] = []
    handle("robot")(Robot)

    def build(ctx: Context) -> Robot:
        """Builds.

        returns: the robot.
        """
        built.append(Robot())
        return built[-1]

    async def build_later(ctx: Context) -> Robot:
        """Builds.

        returns: the robot.
        """
        return build(ctx)

    def number(ctx: Context, robot: Robot) -> int:
        """Counts.

        robot: the robot.
        returns: its place in the row.
        """
        return built.index(robot)

    for function in (build, build_later, number):
        capability(f"robot.{function.__name__}", since="0.1")(function)
    return built


def test_a_host_object_crosses_as_a_number_of_this_run() -> None:
    robots()
    house = House()
    assert not house.gate.open
    assert house.enter("robot.build", b"[]") == b'{"\\u0000handle":["robot",1]}'
    assert house.enter("robot.build_later", b"[]") == b'{"\\u0000handle":["robot",2]}'
    assert house.gate.open
    assert house.enter("robot.number", b'[{"\\u0000handle":["robot",2]}]') == b"1"
    assert house.enter("robot.number", b'[{"\\u0000handle":["robot",1]}]') == b"0"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (b'{"\\u0000handle":["robot",2]}', "robot #2 is not of this run"),
        (b'{"\\u0000handle":["robot",0]}', "robot #0 is not of this run"),
        (b'{"\\u0000handle":["agent",1]}', "robot.number: robot must be a robot, got agent"),
        (b"1", "robot.number: robot must be a robot, got number"),
    ],
)
def test_a_handle_cannot_be_made_up(reference: bytes, said: str) -> None:
    robots()
    house = House()
    house.enter("robot.build", b"[]")
    assert house.failed("robot.number", b"[" + reference + b"]").message == said


def test_a_number_stands_for_one_kind_only() -> None:
    robots()

    class Lamp:
        """A light."""

    handle("lamp")(Lamp)
    house = House()
    assert house.gate.adopt("lamp", Lamp()).id == 1
    house.enter("robot.build", b"[]")
    error = house.failed("robot.number", b'[{"\\u0000handle":["robot",1]}]')
    assert error.message == "robot #1 is not of this run"


def test_in_a_replay_a_handle_stands_for_what_is_not_there() -> None:
    robots()
    notes = Notes({"robot.number": b"4"})
    notes.replays = True
    house = House(journal=notes)
    assert house.enter("robot.number", b'[{"\\u0000handle":["robot",9]}]') == b"4"


def test_what_a_run_still_holds_is_closed_once() -> None:
    built = robots()
    house = House()
    for _ in range(2):
        house.enter("robot.build", b"[]")
    for _ in range(2):
        asyncio.run(house.gate.close())
    assert [robot.closed for robot in built] == [1, 1]
    assert not house.gate.open
    error = house.failed("robot.number", b'[{"\\u0000handle":["robot",1]}]')
    assert error.message == "robot #1 is not of this run"


def test_every_host_object_is_closed_though_one_fails() -> None:
    built = robots()
    house = House()
    for _ in range(3):
        house.enter("robot.build", b"[]")

    async def broken() -> None:
        raise OSError("stuck")

    built[0].close = broken  # type: ignore[method-assign]
    with contextlib.suppress(OSError):
        asyncio.run(house.gate.close())
    assert [robot.closed for robot in built[1:]] == [1, 1]


def test_the_declaration_is_what_the_gate_goes_by() -> None:
    house = House()
    item = house.gate.look_up("test.sync")
    assert isinstance(item, Capability)
    assert (item.kind, item.resource) == ("env", 0)
    assert house.gate.seen == {"test.sync"}


# What the script lets go of. ----------------------------------------------------------------------


def test_an_object_is_closed_when_its_handle_was_dropped_as_often_as_it_came() -> None:
    built = robots()

    def again(ctx: Context, robot: Robot) -> Robot:
        """Gives back what it got.

        robot: the robot.
        returns: the same.
        """
        return robot

    capability("robot.again", since="0.1")(again)
    house = House()
    one = b'{"\\u0000handle":["robot",1]}'
    assert house.enter("robot.build", b"[]") == one
    assert house.enter("robot.again", b"[" + one + b"]") == one
    house.gate.release(1, 1)
    assert house.enter("robot.number", b"[" + one + b"]") == b"0"
    house.gate.release(1, 1)
    assert house.failed("robot.number", b"[" + one + b"]").code == "not_found"
    (closing,) = house.gate.closings()
    asyncio.run(closing)
    assert built[0].closed == 1
    assert house.gate.closings() == []
    assert house.enter("robot.build", b"[]") == b'{"\\u0000handle":["robot",2]}'


def test_what_was_dropped_is_closed_with_the_run_at_the_latest() -> None:
    built = robots()
    house = House()
    house.enter("robot.build", b"[]")
    house.gate.release(1, 1)
    assert house.gate.open
    asyncio.run(house.gate.close())
    assert built[0].closed == 1


def test_an_object_a_call_is_using_is_not_closed_under_it() -> None:
    built = robots()
    seen: list[int] = []

    async def work(ctx: Context, robot: Robot) -> None:
        """Works for a while.

        robot: the robot.
        """
        await asyncio.sleep(0)
        seen.append(robot.closed)

    capability("robot.work", since="0.1")(work)
    house = House()
    one = house.enter("robot.build", b"[]")
    calls: list[Any] = [house.gate.enter("robot.work", b"[" + one + b"]") for _ in range(3)]
    house.gate.release(1, 1)
    assert house.gate.closings() == []
    assert asyncio.run(calls.pop()) == b"null"
    assert house.gate.closings() == []
    calls.pop().close()  # one that never began
    assert house.gate.closings() == []
    assert asyncio.run(calls.pop()) == b"null"
    (closing,) = house.gate.closings()
    asyncio.run(closing)
    assert (seen, built[0].closed) == ([0, 0], 1)


def test_dropping_what_is_not_there_does_nothing() -> None:
    built = robots()
    house = House()
    house.enter("robot.build", b"[]")
    house.gate.release(0, 1)
    house.gate.release(2, 5)
    house.gate.release(-1, 1)
    assert house.gate.closings() == []
    assert house.enter("robot.number", b'[{"\\u0000handle":["robot",1]}]') == b"0"
    assert built[0].closed == 0
