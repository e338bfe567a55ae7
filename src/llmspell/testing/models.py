"""Models for the tests of spells: they answer as they are told, without network and cost.

    Session(models={"openai/gpt-6-luna": scripted("one", "two")})

The names are models, with `*` for anything; one without a slash is asked as "mock/NAME". Nothing
else about a run changes: permissions, budgets, streams, agents and tools are the real ones.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..host.doubles.doubles import Answer, Double, DoubleOptions, MockCall, Question

__all__ = ["Answer", "Double", "MockCall", "Question", "answering", "failing", "scripted", "slow"]


def scripted(
    *answers: str | Answer, latency: float = 0.0, chunk_delay: float = 0.0, cycle: bool = False
) -> Double:
    """Gives these answers in order; those with a `match` to every question that fits it.

    latency: seconds before each answer.
    chunk_delay: seconds between the words of a stream.
    cycle: whether it starts again after the last; else a question too many is an error.
    """
    return Double(answers, DoubleOptions(latency, chunk_delay, cycle))


def answering(
    function: Callable[[Question], str | Answer | Awaitable[str | Answer]], *, latency: float = 0.0
) -> Double:
    """Gives what a function makes of each question."""
    return Double(function, DoubleOptions(latency))


def failing(
    how: str | int, *, times: int | None = None, then: str = "ok", retry_after: float | None = None
) -> Double:
    """Fails with a code such as "rate_limited", or an HTTP status.

    times: how often, before it answers `then`; always without.
    retry_after: seconds after which it says that it may be asked again.
    """
    code, status = (how, None) if isinstance(how, str) else (None, how)
    failure = Answer(error=code, status=status, retry_after=retry_after)
    if times is None:
        return Double([failure], DoubleOptions(cycle=True))
    return answering(_after(times, failure, then))


def slow(seconds: float, text: str = "slow") -> Double:
    """Gives a text after so many seconds."""
    return scripted(text, latency=seconds, cycle=True)


def _after(times: int, failure: Answer, then: str) -> Callable[[Question], str | Answer]:
    return lambda question: failure if question.call <= times else then
