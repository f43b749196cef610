"""What the mutants are: mutmut's changes of every function and constant of a module, as code to be swapped in.

mutmut passes over decorated functions (every rule of soundness is one) and over constants. Here decorators are blanked
before mutmut sees the module, and a mutant is one function compiled anew, or one constant.
"""

from __future__ import annotations

import ast
import difflib
import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Line = tuple[str, int]  # file, line


@dataclass(frozen=True)
class Mutant:
    """One change of one function or constant."""

    module: str  # "judgement.verdict"
    place: str  # "worst", "Bound.holds", "CONFIDENCE"
    change: str  # "before → after"
    source: str = field(repr=False)  # of the changed function (within its class) or constant
    line: int = 0  # of the function as it stands, decorators included; 0: a constant
    reached_by: frozenset[Line] = frozenset()  # a test that runs one of these may notice

    @property
    def name(self) -> str:
        """Return what the survivors' table calls it."""
        return f"{self.module}.{self.place}: {self.change}"

    def compiled(self, path: Path) -> Any:
        """Return the code that defines it, under the module's own path."""
        return compile(self.source, str(path), "exec")  # annotations are put off here as in every module


def mutants_of(module: str, path: Path, uses: dict[str, set[Line]]) -> list[Mutant]:
    """Return a module's mutants in the order of its lines; `uses` says where constants are read."""
    libcst = importlib.import_module("libcst")
    file_mutation = importlib.import_module("mutmut.mutation.file_mutation")
    plain = without_decorators(path.read_text())
    tree, mutations, _, _ = file_mutation.create_mutations(str(path), plain)
    functions, constants = _functions(libcst, tree, ast.parse(path.read_text())), _constants(libcst, tree)
    unheard = _spoken(libcst, tree)
    found: dict[str, Mutant] = {}
    for each in mutations:
        if id(each.original_node) in unheard or _is_said(libcst, each.original_node, each.mutated_node):
            continue
        owner = each.contained_by_top_level_function
        if owner is not None and id(owner) in functions:
            mutant = _of_function(libcst, module, path, each, *functions[id(owner)])
        elif (statement := constants.get(id(each.original_node))) is not None:
            mutant = _of_constant(libcst, module, each, statement, uses)
        else:
            continue
        if mutant is not None:
            found.setdefault(mutant.source, mutant)
    return list(found.values())


def without_decorators(source: str) -> str:
    """Return the source with every decorator's lines left empty, so that all other lines keep their number."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.decorator_list:
            first = min(each.lineno for each in node.decorator_list)
            lines[first - 1 : node.lineno - 1] = [""] * (node.lineno - first)
    return "\n".join(lines) + "\n"


def statement_lines(tree: ast.AST, line: int) -> range:
    """Return the lines of the innermost statement around a line; of a compound one, its head alone."""
    heads = [range(line, line + 1)]
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            end = body[0].lineno if isinstance(body, list) else (node.end_lineno or node.lineno) + 1
            if line in (head := range(node.lineno, max(end, node.lineno + 1))):
                heads.append(head)
    return min(heads[1:] or heads, key=len)


def uses_of_constants(paths: list[Path], root: Path) -> dict[str, set[Line]]:
    """Return, for each name in capitals, the lines of the functions that read it."""
    uses: dict[str, set[Line]] = {}
    for path in paths:
        tree = ast.parse(path.read_text())
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
                if name and name == name.upper():
                    lines = statement_lines(tree, node.lineno)  # type: ignore[attr-defined]
                    uses.setdefault(name, set()).update((str(path.relative_to(root)), line) for line in lines)
    return uses


def _functions(libcst: Any, tree: Any, plain: ast.Module) -> dict[int, tuple[Any, str, Any]]:
    """Return mutmut's top-level functions and methods by identity, with their class and their node in `ast`."""
    found: dict[int, tuple[Any, str, Any]] = {}
    classes = {node.name: node for node in plain.body if isinstance(node, ast.ClassDef)}
    for owner, theirs, ours in [
        ("", tree.body, plain.body),
        *(
            (node.name.value, node.body.body, classes[node.name.value].body)
            for node in tree.body
            if isinstance(node, libcst.ClassDef)
        ),
    ]:
        left = [node for node in theirs if isinstance(node, libcst.FunctionDef)]
        right = [node for node in ours if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        for one, other in zip(left, right, strict=True):
            found[id(one)] = (one, owner, other)
    return found


def _constants(libcst: Any, tree: Any) -> dict[int, Any]:
    """Return, for each node within a constant that is no call, the statement that sets the constant."""
    found: dict[int, Any] = {}
    for line in tree.body:
        if not isinstance(line, libcst.SimpleStatementLine) or len(line.body) != 1:
            continue
        statement = line.body[0]
        nodes = list(_below(statement))
        if isinstance(statement, libcst.Assign | libcst.AnnAssign) and not any(
            isinstance(node, libcst.Call | libcst.Lambda | libcst.Subscript) for node in nodes
        ):
            found |= {id(node): statement for node in nodes}
    return found


def _below(node: Any) -> Iterator[Any]:
    yield node
    for child in node.children:
        yield from _below(child)


def _is_text(libcst: Any, node: Any) -> bool:
    """Say whether an expression is words for people: a string with a space in it, or one put together of such."""
    if isinstance(node, libcst.SimpleString):
        return " " in node.value
    if isinstance(node, libcst.FormattedString):
        return any(isinstance(part, libcst.FormattedStringText) and " " in part.value for part in node.parts)
    if isinstance(node, libcst.ConcatenatedString):
        return _is_text(libcst, node.left) or _is_text(libcst, node.right)
    return False


def _spoken(libcst: Any, tree: Any) -> set[int]:
    """Return the nodes within words for people."""
    texts = [node for node in _below(tree) if _is_text(libcst, node)]
    return {id(part) for text in texts for part in _below(text)}


def _is_said(libcst: Any, before: Any, after: Any) -> bool:
    """Say whether a change is of words for people only, or of upper and lower case only."""
    if isinstance(before, libcst.SimpleString):
        return "XX" not in after.value
    if isinstance(before, libcst.Call) and isinstance(after, libcst.Call):
        kept = {id(argument) for argument in after.args}
        return any(_is_text(libcst, each.value) for each in before.args if id(each) not in kept)
    return isinstance(before, libcst.Assign | libcst.AnnAssign) and _is_text(libcst, before.value)


def _of_function(
    libcst: Any, module: str, path: Path, each: Any, function: Any, owner: str, node: ast.FunctionDef
) -> Mutant | None:
    changed = function.deep_replace(each.original_node, each.mutated_node)
    before, after = (_text(libcst, one) for one in (function, changed))
    pair = _apart(before, after)
    if pair is None:
        return None
    offset, change = pair
    whole = libcst.ClassDef(libcst.Name(owner), libcst.IndentedBlock([changed])) if owner else changed
    lines = statement_lines(node, node.lineno + offset)
    if lines.start == node.lineno:  # the head: a default, which every call may see
        lines = range(node.lineno, (node.end_lineno or 0) + 1)
    place = f"{owner}.{node.name}" if owner else node.name
    first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
    reached_by = frozenset((f"prakerja_load/{module.replace('.', '/')}.py", line) for line in lines)
    return Mutant(module, place, change, libcst.Module([whole]).code, first, reached_by)


def _of_constant(libcst: Any, module: str, each: Any, statement: Any, uses: dict[str, set[Line]]) -> Mutant | None:
    target = statement.target if isinstance(statement, libcst.AnnAssign) else statement.targets[0].target
    if not isinstance(target, libcst.Name) or target.value.startswith("__"):
        return None
    swapped = (
        each.mutated_node
        if each.original_node is statement
        else statement.deep_replace(each.original_node, each.mutated_node)
    )
    before, after = (libcst.Module([libcst.SimpleStatementLine([one])]).code for one in (statement, swapped))
    pair = _apart(before.splitlines(), after.splitlines())
    return pair and Mutant(module, target.value, pair[1], after, 0, frozenset(uses.get(target.value, ())))


def _text(libcst: Any, function: Any) -> list[str]:
    """Return a function's lines from its `def` on."""
    lines: list[str] = libcst.Module([function]).code.splitlines()
    head = next(place for place, line in enumerate(lines) if line.lstrip().startswith(("def ", "async def ")))
    return lines[head:]


def _apart(before: list[str], after: list[str]) -> tuple[int, str] | None:
    """Return the first line that differs, and what stands there before and after; None where nothing does."""
    blocks = [each for each in difflib.SequenceMatcher(None, before, after, False).get_opcodes() if each[0] != "equal"]
    if not blocks:
        return None
    start, end, begin, stop = blocks[0][1], blocks[-1][2], blocks[0][3], blocks[-1][4]
    was, now = (" ".join(line.strip() for line in lines) for lines in (before[start:end], after[begin:stop]))
    return start, f"{was} → {now}"
