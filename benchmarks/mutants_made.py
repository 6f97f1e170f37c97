"""Mutants: a module's functions, each with one small thing changed, made by mutmut's operators.

mutmut writes every mutant into one large file and chooses between them at each call. Here a mutant is a function's
code that is put in the place of the real one, in a process of its own: the rest runs as fast as ever, and methods that
are properties are mutated, too.
"""

import ast
import hashlib
import importlib
import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import unified_diff
from textwrap import indent
from types import FunctionType, ModuleType
from typing import Any

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import Mutation, MutationVisitor, deep_replace
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

REACHED = "_mutants_reached"
"""What a traced function calls with the line of each statement that it comes to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    """One function with one small thing changed."""

    module: str
    function: str
    """With its class, if it has one."""
    key: str
    """The same as long as the function is the same."""
    line: int
    """Of the statement that is changed, in the module."""
    change: str
    """Lines taken out (-) and put in (+)."""
    source: str
    """The changed function, without decorators."""


class _Visitor(MutationVisitor):
    """mutmut's own, except that it looks into properties, and remembers lines."""

    def __init__(self) -> None:
        super().__init__(mutation_operators, IgnoredCode(set(), set(), set()))
        self.lines: list[int] = []

    def _create_mutations(self, node: cst.CSTNode) -> None:
        super()._create_mutations(node)
        line = self.get_metadata(PositionProvider, node).start.line
        self.lines += [line] * (len(self.mutations) - len(self.lines))

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Arg) and node.keyword and node.keyword.value == "strict":
            return True
        if isinstance(node, cst.FunctionDef) and node.decorators:
            named = {each.decorator.value for each in node.decorators if isinstance(each.decorator, cst.Name)}
            if len(named) == len(node.decorators) and named <= {"property", "staticmethod", "classmethod"}:
                return False
        return bool(super()._skip_node_and_children(node))


class Mutants:
    """Every mutant of a module's functions and methods, in the order of its text; written out only when asked for."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        text = inspect.getsource(module)
        visitor = _Visitor()
        self._tree = MetadataWrapper(cst.parse_module(text)).visit(visitor)
        self._starts = _statement_starts(text)
        names = _names(self._tree)
        self._plain: dict[cst.CSTNode, tuple[str, cst.FunctionDef, str]] = {}
        self._found: dict[str, tuple[Mutation, int]] = {}
        count: Counter[str] = Counter()
        for mutation, line in zip(visitor.mutations, visitor.lines, strict=True):
            function = mutation.contained_by_top_level_function
            if not isinstance(function, cst.FunctionDef) or _is_guard(mutation):
                continue
            if function not in self._plain:
                plain = function.with_changes(decorators=[], leading_lines=[])
                self._plain[function] = names[function], plain, self._tree.code_for_node(plain)
            name, _, before = self._plain[function]
            count[name] += 1
            digest = hashlib.sha256(before.encode()).hexdigest()[:8]
            self._found[f"{module.__name__}.{name}:{digest}:{count[name]}"] = mutation, line

    @property
    def keys(self) -> list[str]:
        """Of every mutant."""
        return list(self._found)

    def written(self, key: str) -> Mutant | None:
        """One of them; None where what has come out is not Python, or no other than before."""
        mutation, line = self._found[key]
        function = mutation.contained_by_top_level_function
        # Those outside of functions were left out, and what is left of a function is one.
        assert function is not None
        name, plain, before = self._plain[function]
        mutated = deep_replace(plain, mutation.original_node, mutation.mutated_node)
        assert isinstance(mutated, cst.CSTNode)
        after = self._tree.code_for_node(mutated)
        try:
            compile(_wrapped(name, after), "<mutant>", "exec")
        except SyntaxError:
            return None
        return (
            None
            if before == after
            else Mutant(
                module=self.module.__name__,
                function=name,
                key=key,
                line=self._starts.get(line, line),
                change=_change(before, after),
                source=after,
            )
        )


def _is_guard(mutation: Mutation) -> bool:
    """`strict=True` of a zip only says what holds: nothing can tell it from its absence."""
    before, after = mutation.original_node, mutation.mutated_node

    def strict(node: cst.CSTNode) -> list[cst.Arg]:
        args = node.args if isinstance(node, cst.Call) else []
        return [arg for arg in args if arg.keyword and arg.keyword.value == "strict"]

    if not strict(before) or not isinstance(after, cst.Call):
        return False
    return not strict(after) or strict(after)[0].value is not strict(before)[0].value


def _names(tree: cst.Module) -> dict[cst.CSTNode, str]:
    names: dict[cst.CSTNode, str] = {}
    for statement in tree.body:
        if isinstance(statement, cst.FunctionDef):
            names[statement] = statement.name.value
        elif isinstance(statement, cst.ClassDef):
            for method in statement.body.body:
                if isinstance(method, cst.FunctionDef):
                    names[method] = f"{statement.name.value}.{method.name.value}"
    return names


def _statement_starts(text: str) -> dict[int, int]:
    """Line -> where the innermost statement that it belongs to begins."""
    starts: dict[int, int] = {}
    for node in ast.walk(ast.parse(text)):  # Outer ones come first.
        if isinstance(node, ast.stmt):
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                starts[line] = max(node.lineno, starts.get(line, 0))
    return starts


def _change(before: str, after: str) -> str:
    lines = list(unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))[2:]
    return "\n".join(line[0] + " " + line[1:].strip() for line in lines if not line.startswith("@@"))


# Into the place of the real one, and back


class Place:
    """A function of a loaded module whose code can be changed in place."""

    def __init__(self, module: ModuleType, name: str) -> None:
        self.module, self.name = module, name
        self._real = self._function()
        self._code = self._real.__code__
        self._defaults, self._kwdefaults = self._real.__defaults__, self._real.__kwdefaults__

    def _function(self) -> FunctionType:
        owner: Any = self.module
        *classes, last = self.name.split(".")
        for each in classes:
            owner = vars(owner)[each]
        found: Any = vars(owner)[last]
        if isinstance(found, property):
            found = found.fget
        elif isinstance(found, staticmethod | classmethod):
            found = found.__func__
        function: Any = inspect.unwrap(found)
        assert isinstance(function, FunctionType), self.name
        return function

    def put(self, source: str) -> None:
        """This code in the place of the real one. Whoever has hold of the function calls it."""
        scope = dict(vars(self.module))
        exec(compile(_wrapped(self.name, source), str(self.module.__file__), "exec"), scope)
        *classes, last = self.name.split(".")
        made = vars(scope["_Class"])[last] if classes else scope[last]
        made = made.__func__ if isinstance(made, staticmethod | classmethod) else made
        self._real.__code__ = made.__code__
        self._real.__defaults__, self._real.__kwdefaults__ = made.__defaults__, made.__kwdefaults__

    def restore(self) -> None:
        """The real code again."""
        self._real.__code__ = self._code
        self._real.__defaults__, self._real.__kwdefaults__ = self._defaults, self._kwdefaults


def _wrapped(name: str, source: str) -> str:
    return source if "." not in name else "class _Class:\n" + indent(source, "    ")


# What a test comes to


def traced(module: ModuleType, reached: Callable[[int], None]) -> list[Place]:
    """Every function of the module calls `reached` with the line of each statement that it comes to."""
    setattr(module, REACHED, reached)
    places = []
    for name, function in _functions(ast.parse(inspect.getsource(module))):
        function.decorator_list = []
        _mark(function)
        try:
            place = Place(module, name)
        except (AssertionError, KeyError):
            continue
        place.put(ast.unparse(ast.fix_missing_locations(function)))
        places.append(place)
    return places


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{method.name}", method


def _mark(node: ast.AST) -> None:
    for child in ast.iter_child_nodes(node):
        _mark(child)
    for field in ("body", "orelse", "finalbody"):
        statements = getattr(node, field, None)
        if isinstance(statements, list):
            marked: list[ast.stmt] = []
            for each in statements:
                call = ast.Call(func=ast.Name(id=REACHED), args=[ast.Constant(value=each.lineno)], keywords=[])
                marked += [ast.Expr(value=call), each]
            setattr(node, field, marked)


def load(name: str) -> ModuleType:
    """A module by its name below `busbar`."""
    return importlib.import_module(f"busbar.{name}")
