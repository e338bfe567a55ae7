"""env: variables of the environment. Secrets are never readable, whatever the grants."""

from __future__ import annotations

from ..capability import capability
from ..host.context import Context


@capability("env.get", since="0.1", needs="env:{name}")
def get(ctx: Context, name: str, default: str | None = None) -> str | None:
    """Reads an environment variable.

    Variables that look like secrets (their name contains KEY, TOKEN, PASSWORD, ...) are denied.

    name: name of the variable.
    default: what to give when it is not set.
    returns: its value, or the default.
    """
    value = ctx.services.environment.public(name)
    return default if value is None else value
