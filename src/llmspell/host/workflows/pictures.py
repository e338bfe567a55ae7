"""A workflow as a picture: text that Mermaid draws, with the state of each step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .records import Body, Plan, Step
from .values import Outcome

LONGEST = 40
"""Characters of a step's own text."""

CLASSES = {
    "running": "fill:#cfe2ff,stroke:#0d6efd",
    "waiting": "fill:#fff3cd,stroke:#fd7e14",
    "completed": "fill:#d1e7dd,stroke:#198754",
    "failed": "fill:#f8d7da,stroke:#dc3545",
    "skipped": "fill:#e9ecef,stroke:#6c757d,stroke-dasharray:4",
}
"""State of a step -> how it is drawn; one that is pending has no colour."""

ENDS = tuple[list[str], list[str]]


def mermaid(plan: Plan, states: Mapping[str, Outcome]) -> str:
    """The flowchart of a workflow."""
    lines = ["flowchart TD"]
    _Drawing(lines, states).body(plan.body, "    ")
    used = {state.status for state in states.values()}
    lines += [f"    classDef {name} {look}" for name, look in CLASSES.items() if name in used]
    return "\n".join(lines) + "\n"


class _Drawing:
    """Draws blocks; each gives the nodes it begins and ends with."""

    def __init__(self, lines: list[str], states: Mapping[str, Outcome]) -> None:
        self.lines = lines
        self.states = states

    def body(self, body: Body, indent: str) -> ENDS:
        if body.type == "graph":
            return self.graph(body, indent)
        if body.type == "conditional":
            ways = [self.sequence(branch.steps, indent) for branch in body.branches if branch.steps]
            return _beside(ways)
        if body.type == "parallel":
            return _beside([self.step(step, indent) for step in body.steps])
        return self.sequence(list(body.children()), indent)

    def sequence(self, steps: list[Step], indent: str) -> ENDS:
        begins: list[str] = []
        ends: list[str] = []
        for step in steps:
            first, last = self.step(step, indent)
            self.join(ends, first, indent)
            begins, ends = begins or first, last or ends
        return begins, ends

    def graph(self, body: Body, indent: str) -> ENDS:
        found = {step.id: self.step(step, indent) for step in body.steps}
        for step in body.steps:
            for name in step.needs:
                self.join(found[name][1], found[step.id][0], indent)
        needed = {name for step in body.steps for name in step.needs}
        return (
            [node for step in body.steps if not step.needs for node in found[step.id][0]],
            [node for step in body.steps if step.id not in needed for node in found[step.id][1]],
        )

    def join(self, ends: list[str], begins: list[str], indent: str) -> None:
        # Many to many would be more arrows than anybody can read, or a host can keep.
        if ends and begins:
            self.lines.append(f"{indent}{' & '.join(ends)} --> {' & '.join(begins)}")

    def step(self, step: Step, indent: str) -> ENDS:
        node = f"s_{step.id}"
        state = self.states.get(step.id, Outcome()).status
        if step.body is None:
            look = f":::{state}" if state in CLASSES else ""
            self.lines.append(f'{indent}{node}["{"<br/>".join(_label(step))}"]{look}')
            return [node], [node]
        self.lines.append(f'{indent}subgraph {node}["{step.id} ({step.kind})"]')
        self.body(step.body, indent + "    ")
        self.lines.append(f"{indent}end")
        if state in CLASSES:
            self.lines.append(f"{indent}class {node} {state}")
        return [node], [node]


def _beside(ways: list[ENDS]) -> ENDS:
    return [n for first, _ in ways for n in first], [n for _, last in ways for n in last]


def _label(step: Step) -> Iterator[str]:
    yield f"<b>{step.id}</b>"
    spec = step.spec
    told = {
        "prompt": spec.prompt, "tool": spec.tool, "wait": f"{spec.wait or 0:g} s",
        "approval": spec.approval, "call": spec.call if isinstance(spec.call, str) else "",
        "set": ", ".join(spec.set or ()),
    }.get(step.kind) or ""  # fmt: skip
    text = spec.description or f"{step.kind} {told}".strip()
    text = " ".join(text[: 4 * LONGEST].split())
    text = text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
    # Letters, digits and a few marks mean nothing to Mermaid or HTML; everything else is a number.
    yield "".join(c if c.isalnum() or c in " .,_:-/" else f"#{ord(c)};" for c in text)
