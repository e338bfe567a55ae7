"""What a script is told when a function of the program fails: nothing of its inside."""

from __future__ import annotations

from ..errors import HostFailure, LlmspellError


def failure_of(name: str, error: BaseException) -> LlmspellError:
    """The error for the script: an error of llmspell's own, else one that names the class only."""
    if isinstance(error, LlmspellError) and error.result is None:
        return error  # one with a result is of another run, and must not end this one
    kind = type(error).__name__
    return HostFailure(f"{name} failed in the program that runs this spell ({kind})", code="host")
