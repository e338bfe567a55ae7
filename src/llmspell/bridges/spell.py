"""spell: other spells, run by this one."""

from __future__ import annotations

from typing import Any

from ..capability import capability
from ..host import spells
from ..host.context import Context
from ..host.spells import SpellOptions, SpellRun


@capability("spell.run", since="0.1")
async def run(
    ctx: Context,
    path: str,
    params: dict[str, Any] | None = None,
    options: SpellOptions = SpellOptions(),
) -> SpellRun:
    """Runs another spell, in any of the languages, and waits for it. It has an isolate of its own,
    the grants of this spell, and no more than what this one has left.

    path: its file beside the program or where a grant for fs.read reaches; the end of the name may
        be left out.
    params: what it gets as `params`.
    options: what it may use.
    returns: what it returned, printed and used.
    """
    return await spells.run(ctx, path, params or {}, options)
