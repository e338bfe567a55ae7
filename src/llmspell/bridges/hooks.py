"""hooks: functions that look at requests to models and calls of tools, and may change them."""

from __future__ import annotations

from ..capability import capability
from ..host.agents.hooks import HookInfo, HookOptions
from ..host.context import Context


@capability("hooks.register", since="0.1", again=True)
def register(ctx: Context, id: str, options: HookOptions) -> None:
    """Adds a hook. It looks at all requests and calls of this spell, those of its agents included.

    One that raises an error has the request or call fail with it. Registering an id again replaces
    the hook.

    id: its name.
    options: what it looks at, and its priority.
    """
    ctx.hooks.register(id, options)


@capability("hooks.unregister", since="0.1", again=True)
def unregister(ctx: Context, id: str) -> None:
    """Takes a hook away.

    id: its name.
    """
    ctx.hooks.remove(id)


@capability("hooks.enable", since="0.1", again=True)
def enable(ctx: Context, id: str) -> None:
    """Has a hook that was disabled have its turns again.

    id: its name.
    """
    ctx.hooks.get(id).enabled = True


@capability("hooks.disable", since="0.1", again=True)
def disable(ctx: Context, id: str) -> None:
    """Has a hook have no turns until it is enabled.

    id: its name.
    """
    ctx.hooks.get(id).enabled = False


@capability("hooks.set_priority", since="0.1", again=True)
def set_priority(ctx: Context, id: str, priority: int) -> None:
    """Changes when a hook has its turn.

    id: its name.
    priority: those with a higher one come first.
    """
    ctx.hooks.get(id).priority = priority


@capability("hooks.get", since="0.1", again=True)
def get(ctx: Context, id: str) -> HookInfo:
    """Describes a hook.

    id: its name.
    returns: its priority, whether it is enabled, and what it looks at.
    """
    return ctx.hooks.get(id).info()


@capability("hooks.list", since="0.1", again=True)
def list_(ctx: Context) -> list[HookInfo]:
    """Lists the hooks of this spell.

    returns: each, in the order of their turns.
    """
    return ctx.hooks.infos()


@capability("hooks.clear", since="0.1", again=True)
def clear(ctx: Context) -> None:
    """Takes every hook of this spell away."""
    ctx.hooks.clear()
