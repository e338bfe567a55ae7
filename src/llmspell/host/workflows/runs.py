"""One run of a workflow: its steps done in order, at the same time, or again and again.

Whatever a step does goes through the gate, as a call of the script itself would: grants, limits,
budgets and recordings hold. A step counts as a call too, so that no loop goes on without end.
"""

from __future__ import annotations

import asyncio
from collections import ChainMap
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from ... import records
from ...errors import CapabilityError, HostFailure
from ...values import FunctionRef, Handle
from ..errors import run
from ..formats import templates
from ..tasks import end, strand, together
from .records import Body, Plan, RunOptions, Step, StepSpec, WorkflowEvent, weight
from .steps import MAX_ITERATIONS
from .values import Frame, Outcome, Values

if TYPE_CHECKING:
    from ..context import Context

MAX_STATE = 16 * 1024 * 1024
"""Bytes of the input, the variables and all outputs of a run, about."""

LARGE = 64 * 1024
"""Bytes that take time to hand over: functions that are given more begin one after another."""

ITERATIONS = 100
PARALLEL = 8

REFUSED = ("denied", "not_approved", "deadlock")
"""Codes of failures that stay: somebody who said no, or is not there, is not asked again."""

NOBODY = (
    "no task is there to approve it: give `run` an on_approval, or approve it from another task"
)
PATIENCE = 0.5
"""Seconds between two looks at whether somebody is left in the script that could help."""


class Execution:
    """One run. `agents` are those made for steps, by id; they serve later runs too."""

    def __init__(
        self,
        ctx: Context,
        plan: Plan,
        handlers: dict[str, FunctionRef],
        variables: dict[str, Any],
        states: dict[str, Outcome],
        agents: dict[str, Handle],
        options: RunOptions,
        tell: Callable[[WorkflowEvent], Awaitable[None]] | None,
        read: Callable[[], bool] = lambda: True,
    ) -> None:
        self.ctx = ctx
        self.plan = plan
        self.handlers = handlers
        self.values = Values(variables, handlers)
        self.states = states
        self.agents = agents
        self.options = options
        self.decisions: dict[str, list[asyncio.Future[Any]]] = {}
        self.unpaused = asyncio.Event()
        self.unpaused.set()
        self._rests = False
        self._at_work = self._clocks = 0
        self.frame = Frame(ChainMap({}), {"input": options.input})
        self._tell = tell
        self._read = read
        self._held: dict[str, int] = {}
        self._told: WeakSet[CapabilityError] = WeakSet()
        self._size = 0
        self._large = asyncio.Lock()

    async def whole(self) -> Any:
        """Runs it. Gives its output; raises the failure of a step that ended it."""
        try:
            for name, value in self.values.variables.items():
                self.keep(f"${name}", value)
            self.keep("input", self.options.input)
            await self.emit("workflow_started")
            return await self.block(self.plan.body, self.frame)
        finally:
            self.ctx.meter.hold(-self._size)

    async def emit(self, type: str, step: str | None = None, **facts: Any) -> None:
        """Tells whoever wants to know."""
        event = WorkflowEvent(type, step, **facts)
        if self._tell is not None:
            await self._tell(event)
        if self.options.on_event is not None:
            await run(self.options.on_event, event)

    def keep(self, key: str, value: Any) -> None:
        """Counts what is kept under a key, in the place of what was before."""
        size = 0 if value is None else weight(value)
        change = size - self._held.get(key, 0)
        if self._size + change > MAX_STATE:
            raise HostFailure(
                f"what the workflow holds is larger than {MAX_STATE} bytes", code="too_large"
            )
        self._size += change
        self._held[key] = size
        self.ctx.meter.hold(change)

    # Blocks.

    async def block(self, body: Body, frame: Frame) -> Any:
        """Runs the steps of a block. Gives its output."""
        match body.type:
            case "parallel":
                # What one sees of another must not depend on which is faster.
                frames = [frame.apart() for _ in body.steps]
                jobs = [partial(self.step, *job) for job in zip(body.steps, frames, strict=True)]
                await together(jobs, body.spec.max_parallel or PARALLEL)
                frame.take(frames)
                return {step.id: frame.outcomes[step.id].output for step in body.steps}
            case "conditional":
                return await self.conditional(body, frame)
            case "loop":
                return await self.loop(body, frame)
            case "map_reduce":
                return await self.map_reduce(body, frame)
            case "graph":
                return await self.graph(body, frame)
        return await self.sequence(body.steps, frame)

    async def sequence(self, steps: list[Step], frame: Frame) -> Any:
        """Runs steps one after another. Gives the output of the last that was not skipped."""
        output = None
        for step in steps:
            outcome = await self.step(step, frame)
            if outcome.status != "skipped":
                output = outcome.output
        return output

    async def conditional(self, body: Body, frame: Frame) -> Any:
        """Runs the first branch whose condition holds."""
        output, taken = None, False
        for branch in body.branches:
            if not taken and (branch.when is None or await self.values.truth(branch.when, frame)):
                taken = True
                output = await self.sequence(branch.steps, frame)
                continue
            for step in branch.steps:
                await self.settle(step, frame, Outcome("skipped"))
        return output

    async def loop(self, body: Body, frame: Frame) -> Any:
        """Runs the steps again and again. Gives the output of the last turn."""
        spec, output, turn = body.spec, None, 0
        items = None if spec.over is None else await self.values.items(spec.over, frame)
        most = spec.max_iterations or (ITERATIONS if items is None else MAX_ITERATIONS)
        while items is None or turn < len(items):
            if turn == most and items is None and spec.until is None:
                break
            if turn == most:
                raise HostFailure(f"the loop was not over after {most} turns", code="iterations")
            turn += 1
            here = frame.with_words(iteration=turn)
            if items is not None:
                here = here.with_words(item=items[turn - 1], index=turn)
            await self.turn()
            output = await self.sequence(body.steps, here)
            if spec.until is not None and await self.values.truth(spec.until, here):
                break
        return output

    async def map_reduce(self, body: Body, frame: Frame) -> Any:
        """Runs a step for each item, then one for what came of all."""
        assert body.map is not None
        step = body.map
        items = await self.values.items(body.spec.over, frame)
        found: list[Any] = [None] * len(items)

        async def one(index: int, item: Any) -> None:
            with strand(str(index)):
                outcome = await self.step(step, frame.apart(item=item, index=index + 1))
            self.keep(f"{step.id}[{index}]", outcome.output)
            found[index] = outcome.output

        jobs = [partial(one, index, item) for index, item in enumerate(items)]
        await together(jobs, body.spec.max_parallel or PARALLEL)
        for index in range(len(items)):
            self.keep(f"{step.id}[{index}]", None)
        self.note(step, frame, Outcome("completed", found, None, 1))
        if body.reduce is None:
            return found
        return (await self.step(body.reduce, frame)).output

    async def graph(self, body: Body, frame: Frame) -> Any:
        """Runs each step when those it needs are done. Gives the outputs nobody needs."""
        order = TopologicalSorter({step.id: step.needs for step in body.steps})
        order.prepare()
        places = {step.id: place for place, step in enumerate(body.steps)}
        frames: dict[str, Frame] = {}
        before: dict[str, int] = {}
        ready: list[int] = []
        running: dict[asyncio.Task[Outcome], str] = {}
        left_out: set[str] = set()
        most = body.spec.max_parallel or PARALLEL
        try:
            while order.is_active():
                for name in order.get_ready():
                    heappush(ready, places[name])
                if ready and len(running) < most:
                    step = body.steps[heappop(ready)]
                    here = frame.apart()
                    # A bit for each step that is done before it, however far.
                    bits = 0
                    for name in step.needs:
                        bits |= before[name] | 1 << places[name]
                    before[step.id] = bits
                    here.take(frames[s.id] for s in body.steps if bits >> places[s.id] & 1)
                    here = here.apart()
                    frames[step.id] = Frame(ChainMap(here.outcomes.maps[0]), {})
                    if left_out.isdisjoint(step.needs):
                        running[asyncio.create_task(self.step(step, here))] = step.id
                        continue
                    left_out.add(step.id)
                    await self.settle(step, here, Outcome("skipped"))
                    order.done(step.id)
                    continue
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    outcome, name = task.result(), running.pop(task)
                    if outcome.status == "skipped" and outcome.error is not None:
                        left_out.add(name)
                    order.done(name)
        finally:
            await end(running)
        frame.take(frames[step.id] for step in body.steps)
        needed = {name for step in body.steps for name in step.needs}
        return {s.id: frame.outcomes[s.id].output for s in body.steps if s.id not in needed}

    # Steps.

    async def turn(self) -> None:
        """What comes before each step: a pause, if one is wanted, and a call that is counted."""
        while not self.unpaused.is_set():
            if not self._rests:
                self._rests = True
                await self.emit("workflow_paused")
            alone = "the workflow is paused, and no task is there to resume it"
            await self.helped(self.unpaused.wait(), alone)
        if self._rests:
            self._rests = False
            await self.emit("workflow_resumed")
        self.ctx.meter.charge_call()
        await asyncio.sleep(0)

    def note(self, step: Step, frame: Frame, outcome: Outcome) -> None:
        """Keeps what became of a step."""
        self.keep(step.id, outcome.output)
        frame.outcomes[step.id] = self.states[step.id] = outcome

    async def settle(self, step: Step, frame: Frame, outcome: Outcome) -> Outcome:
        """Keeps what became of a step, and tells it."""
        self.note(step, frame, outcome)
        facts = {"output": outcome.output, "error": outcome.error}
        if outcome.attempts:
            facts["attempt"] = outcome.attempts
        await self.emit(f"step_{outcome.status}", step.id, **facts)
        return outcome

    async def step(self, step: Step, frame: Frame) -> Outcome:
        """Does a step, as often as it may be tried."""
        single = step.body is None
        with strand(step.id):
            await self.turn()
            self._at_work += single
            try:
                return await self.tried(step, frame)
            finally:
                self._at_work -= single

    async def tried(self, step: Step, frame: Frame) -> Outcome:
        """Does a step, in its strand."""
        spec, tried = step.spec, 0
        if spec.when is not None and not await self.values.truth(spec.when, frame):
            return await self.settle(step, frame, Outcome("skipped"))
        while True:
            tried += 1
            self.states[step.id] = Outcome("running", attempts=tried)
            await self.emit("step_started", step.id, attempt=tried)
            try:
                output = await self.within(spec.timeout, self.work(step, frame))
            except CapabilityError as error:
                if tried > spec.retries or error.code in REFUSED:
                    return await self.failed(step, frame, error, tried)
                told = error.message
            else:
                break
            await self.emit("step_retrying", step.id, attempt=tried, error=told)
            if spec.retry_delay:
                with self.timed():
                    await self.ctx.invoke("time.sleep", spec.retry_delay)
        if spec.save_as is not None:
            self.set_variables({spec.save_as: output})
        return await self.settle(step, frame, Outcome("completed", output, None, tried))

    async def failed(self, step: Step, frame: Frame, error: CapabilityError, tried: int) -> Outcome:
        """Does what the step says of its failure. Raises it where that is to end the workflow."""
        policy: Any = step.spec.on_error or self.plan.definition.on_error or "fail"
        if policy == "skip":
            return await self.settle(step, frame, Outcome("skipped", None, error.message, tried))
        if policy == "continue":
            return await self.settle(step, frame, Outcome("failed", None, error.message, tried))
        if policy != "fail":
            output = self.values.rendered(policy["fallback"], frame)
            return await self.settle(
                step, frame, Outcome("completed", output, error.message, tried)
            )
        await self.settle(step, frame, Outcome("failed", None, error.message, tried))
        if error in self._told:
            raise error  # the failure of a step inside this one
        told = f"the step {step.id} failed: {error.message}"
        failure = type(error)(told, code=error.code, retryable=error.retryable)
        failure.details = {"context": {"step": step.id}, "attempts": tried}
        failure.details = records.details(records.caused(failure.details, records.tell(error)))
        self._told.add(failure)
        raise failure from error

    async def within(self, seconds: float | None, work: Awaitable[Any]) -> Any:
        """Waits for work, so long. The clock goes through the gate: a replay takes no time."""
        if seconds is None:
            return await work
        job, clock = asyncio.ensure_future(work), asyncio.create_task(self.clock(seconds))
        try:
            with self.timed():
                await asyncio.wait({job, clock}, return_when=asyncio.FIRST_COMPLETED)
            if clock.done() and clock.result():
                told = f"it took longer than {seconds:g} s"
                raise HostFailure(told, code="timeout", retryable=True)
            return await job
        finally:
            await end([job, clock])

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Something goes on by itself within, when its time has come."""
        self._clocks += 1
        try:
            yield
        finally:
            self._clocks -= 1

    async def clock(self, seconds: float) -> bool:
        """Whether so much time has gone by: in a replay it may not have."""
        try:
            await self.ctx.invoke("time.sleep", seconds)
        except HostFailure as error:
            if error.code != "not_recorded":
                raise
            return False
        return True

    async def work(self, step: Step, frame: Frame) -> Any:
        """Does a step once."""
        if step.body is not None:
            return await self.block(step.body, frame)
        spec = step.spec
        match step.kind:
            case "prompt":
                return await self.prompt(spec, frame)
            case "agent":
                return await self.agent(spec, frame)
            case "tool":
                args = self.values.rendered(spec.args or {}, frame)
                return await self.ctx.invoke("tools.execute", spec.tool, args)
            case "spell":
                path = _text(self.values.rendered(spec.spell, frame))
                params = self.values.rendered(spec.params or {}, frame)
                return (await self.ctx.invoke("spell.run", path, params))["result"]
            case "call":
                return await self.call(spec, frame)
            case "wait":
                return await self.ctx.invoke("time.sleep", spec.wait)
            case "approval":
                return await self.approval(spec, frame)
        values: dict[str, Any] = self.values.rendered(spec.set, frame)
        self.set_variables(values)
        return values

    def set_variables(self, values: dict[str, Any]) -> None:
        """Sets variables of this run."""
        for name, value in values.items():
            self.keep(f"${name}", value)
            self.values.variables[name] = value

    async def prompt(self, spec: StepSpec, frame: Frame) -> Any:
        """Asks a model, for data where there is a schema."""
        text = _text(self.values.rendered(spec.prompt, frame))
        options = {
            name: self.values.rendered(getattr(spec, name), frame)
            for name in ("model", "system", "temperature", "max_tokens")
            if getattr(spec, name) is not None
        }
        if spec.schema is None:
            return await self.ctx.invoke("llm.generate", text, options)
        return await self.ctx.invoke("structured.generate", text, spec.schema, options)

    async def agent(self, spec: StepSpec, frame: Frame) -> Any:
        """Gives an agent its task. Gives its answer, as data where it has a schema for it."""
        agent, once = spec.agent, False
        if isinstance(agent, dict):
            agent = self.agents.get(spec.id)
            if agent is None:
                options = self.values.rendered(spec.agent, frame)
                agent, once = await self.ctx.invoke("agent.create", options), options != spec.agent
                if not once:
                    self.agents[spec.id] = agent
        task = _text(self.values.rendered(spec.input, frame))
        try:
            reply = await self.ctx.invoke("agent.run", agent, task)
        finally:
            if once:
                await self.ctx.invoke("agent.remove", agent)  # the next has its name
        output = reply.get("output")
        return reply.get("content") if output is None else output

    async def call(self, spec: StepSpec, frame: Frame) -> Any:
        """Calls a function of the script."""
        function = self.values.function(spec.call)
        told = {
            "input": self.values.rendered(spec.input, frame),
            "outputs": {name: outcome.output for name, outcome in frame.outcomes.items()},
            "variables": self.values.variables,
        }
        words = ("item", "index", "iteration")
        told |= {w: frame.words[w] for w in words if w in frame.words}
        if (size := self._size) <= LARGE:
            return await run(function, told)
        async with self._large:
            await asyncio.sleep(0)
        try:
            self.ctx.meter.hold(size)
            return await run(function, told)
        finally:
            self.ctx.meter.hold(-size)

    async def approval(self, spec: StepSpec, frame: Frame) -> Any:
        """Waits until somebody agrees. Raises HostFailure(code="not_approved")."""
        message = _text(self.values.rendered(spec.approval, frame))
        self.states[spec.id] = Outcome("waiting")
        decision = asyncio.get_running_loop().create_future()
        # Several of the same step may wait, of a map.
        self.decisions.setdefault(spec.id, []).append(decision)
        try:
            await self.emit("step_waiting", spec.id, message=message)
            if self.options.on_approval is None:
                answer = await self.helped(decision, NOBODY)
            else:
                asked = {"step": spec.id, "message": message}
                answer = await run(self.options.on_approval, asked)
        finally:
            self.decisions[spec.id].remove(decision)
        comment = answer.get("comment") if isinstance(answer, dict) else None
        agreed = answer.get("approved") if isinstance(answer, dict) else answer
        if agreed is not True:
            reason = f": {comment[:1000]}" if isinstance(comment, str) else ""
            raise HostFailure(f"it was not approved{reason}", code="not_approved")
        return {"approved": True} | ({} if comment is None else {"comment": comment})

    async def helped(self, waiting: Awaitable[Any], alone: str) -> Any:
        """Waits for what another task of the script has to do. Raises HostFailure(code="deadlock")
        where none is left, and no step is at work that may do it."""
        job, stuck = asyncio.ensure_future(waiting), 0
        try:
            while not (await asyncio.wait({job}, timeout=PATIENCE))[0]:
                resting = sum(map(len, self.decisions.values()))
                idle = self._at_work == resting and not self._clocks
                stuck = stuck + 1 if idle and self._read() and self.ctx.alone() else 0
                if stuck == 2:
                    raise HostFailure(alone, code="deadlock")
            return job.result()
        finally:
            job.cancel()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else templates.shown(value)
