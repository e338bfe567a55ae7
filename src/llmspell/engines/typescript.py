"""TypeScript without its types: what only the type checker reads becomes blanks, on the same place.

Nothing moves, so an error points at the line and column of the source. What cannot be blanked
because it stands for code - enums, namespaces, parameter properties - is refused with its place.
"""

from __future__ import annotations

import re
from functools import cache

import tree_sitter_typescript
from tree_sitter import Language, Node, Parser

from ..errors import Frame, ScriptSyntaxError

WHOLE = frozenset({
    "type_annotation", "type_parameters", "type_arguments", "implements_clause",
    "asserts_annotation", "type_predicate_annotation", "accessibility_modifier",
    "override_modifier", "index_signature", "opting_type_annotation",
})  # fmt: skip
"""Parts that are types and nothing else."""

STATEMENTS = frozenset({
    "interface_declaration", "type_alias_declaration", "ambient_declaration",
    "function_signature", "method_signature", "abstract_method_signature",
})  # fmt: skip
"""Statements and members that are types and nothing else: a semicolon is left of them."""

REFUSED = {
    "enum_declaration": "an enum is code that TypeScript writes; use a const object",
    "internal_module": "a namespace is code that TypeScript writes; use a module",
    "module": "a module block is code that TypeScript writes; use a file",
    "import_alias": "import ... = is not of JavaScript; use import",
    "decorator": "decorators are not there",
}

WORDS = frozenset({"readonly", "abstract", "declare", "?", "!"})
"""Tokens that mean nothing in JavaScript where they stand as children of WORDED."""

WORDED = frozenset({
    "public_field_definition", "abstract_class_declaration", "optional_parameter",
    "required_parameter", "method_definition", "variable_declarator", "non_null_expression",
})  # fmt: skip


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_typescript.language_typescript()))


def blanked(source: str, name: str) -> str:
    """The source as JavaScript, every character where it was. Raises ScriptSyntaxError."""
    blanks = _Blanks(source.encode(), name)
    blanks.walk(_parser().parse(blanks.source).root_node)
    return blanks.result()


class _Blanks:
    """The ranges of one source that are to be blank."""

    def __init__(self, source: bytes, name: str) -> None:
        self.source = source
        self.name = name
        self.ranges: list[tuple[int, int, bytes]] = []

    def blank(self, start: int, end: int, left: bytes = b"") -> None:
        """Blanks a range, but leaves a text of one byte at its beginning."""
        self.ranges.append((start, end, left))

    def result(self) -> str:
        """What is left."""
        out, at = [], 0
        for start, end, left in sorted(self.ranges):
            if start < at:
                continue
            out.append(self.source[at:start].decode())
            gone = re.sub(r"[^\r\n\u2028\u2029]", " ", self.source[start:end].decode())
            out.append(left.decode() + gone[len(left) :])
            at = end
        return "".join(out) + self.source[at:].decode()

    def refuse(self, node: Node, why: str) -> None:
        """Raises ScriptSyntaxError at a node."""
        raise ScriptSyntaxError(why, frames=(Frame(self.name, node.start_point[0] + 1),))

    def walk(self, root: Node) -> None:
        """Goes through a tree, without recursion: a stranger wrote it."""
        nodes = [root]
        while nodes:
            node = nodes.pop()
            if not self.look(node):
                nodes += node.children

    def look(self, node: Node) -> bool:
        """Blanks what a node itself says. Tells whether nothing in it is code."""
        kind = node.type
        if kind in WHOLE:
            self.whole(node)
            return True
        typed = kind in ("import_statement", "export_statement") and any(
            child.type == "type" for child in node.children
        )
        if kind in STATEMENTS or typed or self.declared(node):
            self.statement(node)
            return True
        if kind in REFUSED and node.is_named:
            self.refuse(node, REFUSED[kind])
        if kind in ("as_expression", "satisfies_expression"):
            self.blank(node.children[0].end_byte, node.end_byte)
        elif kind in ("import_specifier", "export_specifier"):
            if node.children[0].type == "type" and len(node.children) > 1:
                self.with_comma(node)
                return True
        elif kind == "required_parameter":
            self.parameter(node)
        if kind in WORDED:
            for child in node.children:
                if child.type in WORDS:
                    self.blank(child.start_byte, child.end_byte)
        return False

    def declared(self, node: Node) -> bool:
        """Whether a member is only declared."""
        return node.type == "public_field_definition" and any(
            child.type in ("declare", "abstract") for child in node.children
        )

    def whole(self, node: Node) -> None:
        """Blanks a type; the parenthesis before one that a line break would cut off goes behind."""
        parent, before = node.parent, node.prev_sibling
        if (
            node.type == "type_annotation"
            and parent is not None
            and parent.type == "arrow_function"
            and before is not None
            and b"\n" in self.source[before.end_byte : node.end_byte]
        ):
            close = before.end_byte - 1
            self.blank(close, close + 1)
            self.blank(close + 1, node.end_byte - 1)
            self.blank(node.end_byte - 1, node.end_byte, b")")
            return
        self.blank(node.start_byte, node.end_byte)

    def statement(self, node: Node) -> None:
        """Blanks a statement, with the `export` before it; what comes before stays apart."""
        parent = node.parent
        if parent is not None and parent.type == "export_statement":
            node = parent
        self.blank(node.start_byte, node.end_byte, b";")

    def with_comma(self, node: Node) -> None:
        """Blanks one of a list, and the comma behind it."""
        after = node.next_sibling
        comma = after is not None and after.type == ","
        self.blank(node.start_byte, after.end_byte if after and comma else node.end_byte)

    def parameter(self, node: Node) -> None:
        """Blanks a parameter that stands for `this`; refuses one that stands for a field."""
        for child in node.children:
            if child.type in ("accessibility_modifier", "readonly"):
                self.refuse(child, "a parameter property is code that TypeScript writes; assign it")
        if node.children[0].type == "this":
            self.with_comma(node)
