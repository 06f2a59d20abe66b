"""Every error that the language raises on purpose says what to write instead."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import verax as vx

ROOT = Path(vx.__file__).resolve().parent.parent
KINDS = {name for name in vx.__all__ if name.endswith("Error")} - {"InternalError"}
FOLDERS = ("sharding", "dsl", "prng")
SOURCES = [p for folder in FOLDERS for p in sorted((ROOT / folder).rglob("*.py"))]


def calls(path: Path) -> list[ast.Call]:
    """Where a file makes errors of the public kinds."""
    return [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS
    ]


def branches(x: ast.expr) -> list[ast.expr]:
    """What a choice chooses from."""
    return branches(x.body) + branches(x.orelse) if isinstance(x, ast.IfExp) else [x]


def has_fix(call: ast.Call) -> bool:
    """Whether a fix is given, in every branch of a choice."""
    fixes = [branch for k in call.keywords if k.arg == "fix" for branch in branches(k.value)]
    return bool(fixes) and not any(
        isinstance(x, ast.Constant) and x.value in (None, "") for x in fixes
    )


def test_errors_are_found() -> None:
    assert sum(len(calls(path)) for path in SOURCES) > 330


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_error_has_a_fix(path: Path) -> None:
    missing = [
        f"{path.relative_to(ROOT)}:{call.lineno}: {ast.unparse(call.args[0])}"
        for call in calls(path)
        if not has_fix(call)
    ]
    assert not missing, "no fix=:\n" + "\n".join(missing)
