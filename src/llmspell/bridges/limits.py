"""limits: what a spell has used, and how much it may use."""

from __future__ import annotations

from ..capability import capability
from ..host.context import Context
from ..host.usage import ResourceUsage, report


@capability("limits.usage", since="0.1", alias="usage")
def usage(ctx: Context) -> ResourceUsage:
    """Tells what this spell has used so far, and its limits.

    A spell that defines a global function `on_resource_warning(usage)` has it called, once for each
    limit, when it has used up most of it: 0.9 of it, or what the limit `warn` says.

    returns: steps, seconds, memory, calls, tokens and the rest.
    """
    ctx.measure()
    return report(ctx.meter)
