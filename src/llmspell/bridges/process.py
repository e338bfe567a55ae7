"""process: programs of the machine."""

from __future__ import annotations

from ..capability import capability
from ..host import processes
from ..host.context import Context
from ..host.processes import Ended, ExecOptions


@capability("process.exec", since="0.1", needs="exec", tool="process_exec")
async def exec(ctx: Context, argv: list[str], options: ExecOptions = ExecOptions()) -> Ended:
    """Runs a program to its end, without a shell: no variable, pattern or pipe in an argument
    means anything. It is killed, with all it started, when it takes too long or prints too much.

    argv: the program and its arguments. A name needs the grant exec:NAME, a path that of the path.
    options: what it reads, where it runs and how long it may take.
    returns: how it ended and what it printed.
    """
    base = ctx.policy.base
    program = processes.located(argv, base, ctx.demand)
    folder = processes.folder_of(ctx.services.files, base, options.folder)
    given = processes.variables(ctx.services.environment, options.variables or [], ctx.demand)
    async with ctx.beside.programs:
        return await processes.run(program, argv, options, folder, given)
