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
    from collections.abc import Callable, Iterable, Mapping

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
        ManifestError,
        MemoryLimit,
        NotFound,
        OutputLimit,
        ParamError,
        PoolTimeout,
        ProviderFailure,
        RestoreError,
        RunLimit,
        ScriptError,
        ScriptFailure,
        ScriptRuntimeError,
        ScriptSyntaxError,
        ShutDown,
        SpellCrashed,
        SpellError,
        StackLimit,
        StepLimit,
        TaskLimit,
        TimeLimit,
        UsageError,
        Variables,
    )
    from .host.tools.approvals import ToolRequest
    from .limits import Limits, Tenant, Usage
    from .runtime.cache import ChunkCache
    from .runtime.checkpoint import Checkpoint
    from .runtime.functions import Function, tool
    from .runtime.gate import CallRecord
    from .runtime.lifecycle import LifecycleEvent
    from .runtime.pool import Pool, PoolMetrics
    from .runtime.result import Result
    from .runtime.running import Running
    from .runtime.session import Session
    from .values import FunctionRef, register_record

__version__ = "0.1.0"

__all__ = [
    "BadArgument",
    "BudgetExceeded",
    "CallLimit",
    "CallRecord",
    "Cancelled",
    "CapabilityError",
    "Checkpoint",
    "ChunkCache",
    "ConfigError",
    "Denied",
    "DiskLimit",
    "FileFailure",
    "FileNotFound",
    "Frame",
    "Function",
    "FunctionRef",
    "HostFailure",
    "InternalError",
    "IsolationError",
    "LifecycleEvent",
    "LimitExceeded",
    "Limits",
    "LlmspellError",
    "ManifestError",
    "MemoryLimit",
    "NotFound",
    "OutputLimit",
    "ParamError",
    "Pool",
    "PoolMetrics",
    "PoolTimeout",
    "ProviderFailure",
    "RestoreError",
    "Result",
    "RunLimit",
    "Running",
    "ScriptError",
    "ScriptFailure",
    "ScriptRuntimeError",
    "ScriptSyntaxError",
    "Session",
    "ShutDown",
    "SpellCrashed",
    "SpellError",
    "StackLimit",
    "StepLimit",
    "TaskLimit",
    "Tenant",
    "TimeLimit",
    "ToolRequest",
    "Usage",
    "UsageError",
    "Variables",
    "register_record",
    "run",
    "run_sync",
    "tool",
]

_HOMES = {
    "CallRecord": "runtime.gate",
    "Function": "runtime.functions",
    "FunctionRef": "values",
    "ChunkCache": "runtime.cache",
    "LifecycleEvent": "runtime.lifecycle",
    "Limits": "limits",
    "Pool": "runtime.pool",
    "PoolMetrics": "runtime.pool",
    "Checkpoint": "runtime.checkpoint",
    "Result": "runtime.result",
    "Running": "runtime.running",
    "Session": "runtime.session",
    "Tenant": "limits",
    "ToolRequest": "host.tools.approvals",
    "Usage": "limits",
    "register_record": "values",
    "tool": "runtime.functions",
}
"""Where a public name lives, unless it is an error."""


def __getattr__(name: str) -> Any:
    import importlib

    if name not in __all__:
        raise AttributeError(f"module 'llmspell' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES.get(name, 'errors')}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


async def run(
    source_or_path: str | os.PathLike[str],
    params: Mapping[str, Any] | None = None,
    *,
    engine: str | None = None,
    level: str = "trusted",
    isolation: str | None = None,
    allow: Iterable[str] = (),
    limits: Mapping[str, Any] | str | None = None,
    functions: Mapping[str, Callable[..., Any] | Function] | None = None,
    modules: Mapping[str, str] | None = None,
    model: str | None = None,
) -> Result:
    """Runs one spell in a session of its own. Raises LlmspellError for whatever ends it.

    Arguments are those of `Session`; `params` is the global `params` of the spell.
    """
    from .runtime.session import Session

    async with Session(
        engine=engine,
        level=level,
        isolation=isolation,
        allow=allow,
        limits=limits,
        functions=functions,
        modules=modules,
        model=model,
    ) as session:
        return await session.run(source_or_path, params)


def run_sync(
    source_or_path: str | os.PathLike[str],
    params: Mapping[str, Any] | None = None,
    *,
    engine: str | None = None,
    level: str = "trusted",
    isolation: str | None = None,
    allow: Iterable[str] = (),
    limits: Mapping[str, Any] | str | None = None,
    functions: Mapping[str, Callable[..., Any] | Function] | None = None,
    modules: Mapping[str, str] | None = None,
    model: str | None = None,
) -> Result:
    """`run` for programs without an event loop."""
    from .runtime.session import Session

    session = Session(
        engine=engine,
        level=level,
        isolation=isolation,
        allow=allow,
        limits=limits,
        functions=functions,
        modules=modules,
        model=model,
    )
    return session.run_sync(source_or_path, params)
