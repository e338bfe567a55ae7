"""llmspell runs spells: small scripts that drive models, agents and tools inside a sandbox.

    import llmspell

    result = await llmspell.run("research.lua", params={"topic": "rust"})
    result = llmspell.run_sync('return llm.generate("Say hello.")')

Everything public is named in `__all__`; the rest is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from .errors import (
        BadArgument,
        BudgetExceeded,
        CallLimit,
        Cancelled,
        CapabilityError,
        ConfigError,
        Denied,
        DiskLimit,
        FileFailure,
        FileNotFound,
        Frame,
        HostFailure,
        InternalError,
        IsolationError,
        LimitExceeded,
        LlmspellError,
        MemoryLimit,
        NotFound,
        OutputLimit,
        ParamError,
        ProviderFailure,
        ScriptError,
        ScriptRuntimeError,
        ScriptSyntaxError,
        SpellCrashed,
        SpellError,
        StepLimit,
        TaskLimit,
        TimeLimit,
        UsageError,
    )
    from .limits import Limits, Usage
    from .runtime.gate import CallRecord
    from .runtime.session import Result, Session

__version__ = "0.1.0"

__all__ = [
    "BadArgument",
    "BudgetExceeded",
    "CallLimit",
    "CallRecord",
    "Cancelled",
    "CapabilityError",
    "ConfigError",
    "Denied",
    "DiskLimit",
    "FileFailure",
    "FileNotFound",
    "Frame",
    "HostFailure",
    "InternalError",
    "IsolationError",
    "LimitExceeded",
    "Limits",
    "LlmspellError",
    "MemoryLimit",
    "NotFound",
    "OutputLimit",
    "ParamError",
    "ProviderFailure",
    "Result",
    "ScriptError",
    "ScriptRuntimeError",
    "ScriptSyntaxError",
    "Session",
    "SpellCrashed",
    "SpellError",
    "StepLimit",
    "TaskLimit",
    "TimeLimit",
    "Usage",
    "UsageError",
    "run",
    "run_sync",
]

_HOMES = {
    "CallRecord": "runtime.gate",
    "Limits": "limits",
    "Result": "runtime.session",
    "Session": "runtime.session",
    "Usage": "limits",
}
"""Where a public name lives, unless it is an error."""


def __getattr__(name: str) -> Any:
    import importlib

    if name not in __all__:
        raise AttributeError(f"module 'llmspell' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES.get(name, 'errors')}", __name__), name)


async def run(
    source_or_path: str | os.PathLike[str],
    params: Mapping[str, Any] | None = None,
    *,
    engine: str | None = None,
    level: str = "trusted",
    allow: Iterable[str] = (),
    limits: Mapping[str, Any] | None = None,
    modules: Mapping[str, str] | None = None,
    model: str | None = None,
) -> Result:
    """Runs one spell in a session of its own. Raises LlmspellError for whatever ends it.

    Arguments are those of `Session`; `params` is the global `params` of the spell.
    """
    from .runtime.session import Session

    async with Session(
        engine=engine, level=level, allow=allow, limits=limits, modules=modules, model=model
    ) as session:
        return await session.run(source_or_path, params)


def run_sync(
    source_or_path: str | os.PathLike[str],
    params: Mapping[str, Any] | None = None,
    *,
    engine: str | None = None,
    level: str = "trusted",
    allow: Iterable[str] = (),
    limits: Mapping[str, Any] | None = None,
    modules: Mapping[str, str] | None = None,
    model: str | None = None,
) -> Result:
    """`run` for programs without an event loop."""
    from .runtime.session import Session

    session = Session(
        engine=engine, level=level, allow=allow, limits=limits, modules=modules, model=model
    )
    return session.run_sync(source_or_path, params)
