"""The house is built in rows: a row knows those below it, and nothing of those above. Functions are short."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent / "sheetgrad"
ROWS = [  # from the ground up; a module or a room (a folder) belongs to the row with the longest name that it starts with
    ["errors", "files"],
    ["xlsx"],
    ["formulas"],
    ["lines"],
    ["autodiff"],
    ["tables"],
    ["lesson"],
    ["listings"],
    ["plan"],
    ["sheets"],
    ["planning"],
    ["recalculation"],
    ["engines"],
    ["workbook"],
    ["building", "verifying", "gradchecking"],
    ["classroom"],
    ["", "cli"],  # what is imported from the package itself, and the commands
]
ROW = {room: height for height, rooms in enumerate(ROWS) for room in rooms}
LONGEST = 60  # lines of a function
MODULES = {
    ".".join(path.relative_to(HOUSE).with_suffix("").parts).removesuffix("__init__").rstrip("."): path
    for path in sorted(HOUSE.rglob("*.py"))
}


def row(module: str) -> int:
    """How high in the house a module lives."""
    return ROW[max((room for room in ROW if room and f"{module}.".startswith(f"{room}.")), key=len, default="")]


def imports(tree: ast.Module) -> Iterator[tuple[str, str, int]]:
    """What a module imports of ours when it runs: module, name, line. What only types need stands under a test."""
    for node in outside_of_type_checking(tree):
        match node:
            case ast.Import(names=names):
                found = [(alias.name, "") for alias in names]
            case ast.ImportFrom(module=module, names=names):
                assert not node.level, "relative import"
                found = [(module, alias.name) for alias in names]
            case _:
                continue
        for module, name in found:
            if module.split(".")[0] != "sheetgrad":
                continue
            inside = module.removeprefix("sheetgrad").lstrip(".")
            whole = f"{inside}.{name}".lstrip(".")
            yield (whole, "", node.lineno) if whole in MODULES else (inside, name, node.lineno)


def outside_of_type_checking(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from outside_of_type_checking(child)


TREES = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in MODULES.items()}


def test_every_module_has_a_place_in_the_house():
    assert len(MODULES) > 50
    assert [module for module in MODULES if module and row(module) == ROW[""] and module.split(".")[0] != "cli"] == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module or "sheetgrad")
def test_no_module_imports_a_higher_one(module):
    upwards = [
        f"{module}:{line} imports {other}"
        for other, _, line in imports(TREES[module])
        if row(other) > row(module) and other != module
    ]
    assert upwards == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module or "sheetgrad")
def test_no_module_uses_what_another_keeps_to_itself(module):
    found = list(imports(TREES[module]))
    private = [f"{module}:{line} imports {other}.{name}" for other, name, line in found if name.startswith("_")]
    known = {other.rpartition(".")[2] for other, name, _ in found if not name}  # `from sheetgrad.sheets import nudge`
    for node in ast.walk(TREES[module]):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in known and attribute[0] == "_":
                private.append(f"{module}:{node.lineno} uses {name}.{attribute}")
    assert private == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module or "sheetgrad")
def test_no_function_is_too_long_to_see(module):
    long = [
        f"{module}:{node.lineno} {node.name} has {length} lines"
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.FunctionDef) and (length := node.end_lineno - node.lineno + 1) > LONGEST
    ]
    assert long == []


def test_an_import_that_only_types_need_may_point_upwards():
    tree = ast.parse("if TYPE_CHECKING:\n    from sheetgrad.cli import app\nfrom sheetgrad.lines import parse\n")
    assert [other for other, _, _ in imports(tree)] == ["lines.parse"]
    inner = ast.parse("def later():\n    from sheetgrad.cli.app import app\n")
    assert [other for other, _, _ in imports(inner)] == ["cli.app"]  # but not one that is only put off
