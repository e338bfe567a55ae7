"""What is wrong with a Tengo source, in the language's own words, and where."""

from __future__ import annotations

from ..errors import Frame, ScriptSyntaxError


class TengoSyntaxError(ScriptSyntaxError):
    """`stage` is "Parse" or "Compile"; `reason` what is wrong; `column` counts from 1."""

    def __init__(self, stage: str, reason: str, name: str, line: int, column: int) -> None:
        super().__init__(f"{reason} (column {column})", frames=(Frame(name, line),))
        self.stage, self.reason, self.column = stage, reason, column

    @property
    def trace(self) -> str:
        """As Tengo's own compiler prints it."""
        at = self.frames[0]
        return f"{self.stage} Error: {self.reason}\n\tat {at.file}:{at.line}:{self.column}"
