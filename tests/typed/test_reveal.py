"""What a user sees of the public API under plain mypy and pyright, and that it is true.

The files under reveal/ call every public function; ``revealed.txt`` holds what ``reveal_type``
says of each call, and what pyright says where that is something else. The calls are also run: what
is revealed of an array's dtype, rank and sizes is what the array has.

``python -m tests.typed.test_reveal`` writes the text anew, to be read before it is committed.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import pytest

import verax as vx
from tests.typed.checkers import HERE, mypy_text, pyright_text

FILES = [f for f in sorted((HERE / "reveal").glob("*.py")) if f.stem != "names"]
TEXT = HERE / "reveal" / "revealed.txt"
ALIASES = {
    "float32": "F32",
    "float64": "F64",
    "bfloat16": "BF16",
    "complex64": "C64",
    "int8": "I8",
    "int32": "I32",
    "int64": "I64",
    "uint32": "U32",
    "bool_": "Bool",
    "Any": "Array",
}
DTYPES = {
    "F32": vx.float32,
    "F64": vx.float64,
    "BF16": vx.bfloat16,
    "C64": vx.complex64,
    "I8": vx.int8,
    "I32": vx.int32,
    "I64": vx.int64,
    "U32": vx.uint32,
    "Bool": vx.bool_,
    "Array": None,
}
STAGED = {"one"}  # functions whose calls stand inside a transformation
SIZES = {"Batch": 2, "Feat": 3, "Out": 4}
_MYPY = re.compile(r'^(\S+\.py):(\d+): note: Revealed type is "(.*)"$', re.M)
_PYRIGHT = re.compile(
    r'^ *(/\S+\.py):(\d+):\d+ - information: Type of "(?:.|\n)*?" is "(.*)"$', re.M
)
_ERROR = re.compile(r"^.*(?: error: | - error: ).*$", re.M)


class Call(NamedTuple):
    """A call of ``reveal_type``: where it stands, and of what."""

    file: str
    line: int
    source: str


def calls() -> list[Call]:
    found = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "reveal_type":
                line = node.args[0].lineno
                found.append(Call(path.stem, line, ast.unparse(node.args[0])))
    return sorted(found)


def short(revealed: str) -> str:
    """A type as users write it: ``F32[Batch, ...]``."""
    t = re.sub(r"\b(?:[a-z_]\w*\.)+(?=\w)", "", revealed)
    t = re.sub(r"@\w+|\(\d+\)(?=@)", "", t).replace("*tuple[Any, ...]", "...")
    t = t.replace("*tuple[Unknown, ...]", "...").replace("Unknown", "Any")
    t = re.sub(r"Literal\[(\d+)\]", r"\1", t.replace("*tuple[()]", "()"))
    t = t.replace("Key[...]", "Key")
    t = re.sub(r"\b(?:Open|Zero|Line)\[(\w+)\]", _spelled, t)
    return re.sub(r"\bArray\[(\w+)(?:, )?([^\[\]]*)\]", _array, t)


def _spelled(m: re.Match[str]) -> str:
    dims = {"Open": ", ...", "Zero": "", "Line": ", Any"}[m[0].split("[")[0]]
    return f"Array[{m[1]}{dims}]"


def _array(m: re.Match[str]) -> str:
    return f"{ALIASES[m[1]]}[{m[2] or '()'}]" if m[1] in ALIASES else m[0]


def revealed(scratch: Path) -> list[str]:
    """The lines of the text: a call, what mypy says, and what pyright says if that differs."""
    outputs = mypy_text(FILES, scratch, plugin=False), pyright_text(FILES, scratch)
    errors = [e for output in outputs for e in _ERROR.findall(output) if "typed/reveal/" in e]
    assert not errors, "\n".join(errors)
    said = [
        {(Path(p).stem, int(n)): short(t) for p, n, t in pattern.findall(output)}
        for pattern, output in zip((_MYPY, _PYRIGHT), outputs)
    ]
    lines, file = [], ""
    for call in calls():
        if call.file != file:
            file = call.file
            lines += ["", f"# {file}"]
        mypy, pyright = [s[call.file, call.line] for s in said]
        lines.append(f"{call.source}  # {mypy}" + (f"  # pyright: {pyright}" * (mypy != pyright)))
    return lines[1:]


def test_revealed(tmp_path: Path) -> None:
    assert "\n".join(revealed(tmp_path)) + "\n" == TEXT.read_text()


def test_the_whole_api_is_there() -> None:
    text = "\n".join(call.source for call in calls())
    missing = [name for name in public() if not re.search(rf"\b{re.escape(name)}\(", text)]
    assert not missing


def public() -> Iterator[str]:
    """Every function of the API by the name that users call it by."""
    modules = ["", "random.", "linalg.", "fft.", "nn.", "optim.", "tree.", "testing."]
    for module in modules:
        of: Any = getattr(vx, module[:-1]) if module else vx
        for name in of.__all__:
            if inspect.isfunction(getattr(of, name)) and name != "struct":
                if (module, name) != ("", "field"):
                    yield f"vx.{module}{name}"


# the truth ---------------------------------------------------------------------------------------


def value_for(annotation: str, tmp_path: Path) -> Any:
    """A value of a declared type."""
    if annotation == "str":
        return str(tmp_path / "saved")
    special = {
        "Any": 0,
        "vx.AnyArray": vx.ones((3, 3)),
        "F32": vx.ones(3),
        "I32[()]": vx.asarray(1),
    }
    if annotation in special:
        return special[annotation]
    if annotation == "vx.random.Key":
        return vx.random.key(0)
    if annotation == "F32[Feat, Feat]":
        return vx.eye(3) * 4.0 + 1.0
    if annotation == "F32[Batch, Any, Any, Any]":
        return vx.ones((1, 1, 3, 3))
    alias, dims = annotation.rstrip("]").split("[")
    shape = [SIZES[d] for d in dims.split(", ") if d != "()"]
    return vx.asarray(np.arange(np.prod(shape)).reshape(shape) % 2).astype(DTYPES[alias])


def parts(inside: str) -> list[str]:
    """``"A, B[C, D]"`` taken apart at its own commas."""
    out, depth, start = [], 0, 0
    for i, c in enumerate(inside):
        depth += (c in "[(") - (c in "])")
        if c == "," and not depth:
            out.append(inside[start:i])
            start = i + 2
    return [*out, inside[start:]]


def holds(t: str, value: Any) -> bool:
    """Whether a value is of a type, as far as the type speaks of arrays."""
    alternatives = t.split(" | ")
    if len(alternatives) > 1 and all(a.count("[") == a.count("]") for a in alternatives):
        return any(holds(a, value) for a in alternatives)
    head, _, inside = t.partition("[")
    inside = inside[:-1]
    if head in DTYPES and inside:
        return _is_array(DTYPES[head], [d for d in parts(inside) if d != "()"], value)
    if head == "Key":
        dims = [d for d in parts(inside or "...") if d != "()"]
        return isinstance(value, vx.random.Key) and _has_shape(dims, value)
    if head == "list":
        return all(holds(inside, x) for x in value)
    if head == "dict":
        return all(holds(parts(inside)[1], x) for x in value.values())
    if head == "tuple" and "..." not in inside:
        items = [x for x in parts(inside) if not x.startswith("fallback")]
        return len(items) == len(value) and all(map(holds, items, value))
    return True


def _is_array(dtype: Any, dims: list[str], value: Any) -> bool:
    known = isinstance(value, vx.Array) and dtype in (None, value.dtype)
    return known and _has_shape(dims, value)


def _has_shape(dims: list[str], value: Any) -> bool:
    if "..." in dims:
        i = dims.index("...")
        before, after = dims[:i], dims[i + 1 :]
        if value.ndim < len(before) + len(after):
            return False
        sizes = value.shape[: len(before)] + value.shape[value.ndim - len(after) :]
        dims = before + after
    else:
        sizes = value.shape
    return len(dims) == len(sizes) and all(
        d == str(n) or (not d.isdigit() and SIZES.get(d, n) == n) for d, n in zip(dims, sizes)
    )


def ran(module: Any, tmp_path: Path) -> dict[int, Any]:
    """What each call gives, by its line."""
    values: dict[int, Any] = {}

    def record(value: Any) -> Any:
        frame: FrameType | None = sys._getframe(1)
        assert frame is not None
        if frame.f_code.co_name in STAGED:
            return value
        values[frame.f_lineno] = value
        return value

    module.reveal_type = record
    for f in vars(module).values():
        if (
            inspect.isfunction(f)
            and f.__module__ == module.__name__
            and "reveal_type(" in (inspect.getsource(f))
        ):
            kinds = inspect.signature(f).parameters.values()
            f(*[value_for(p.annotation, tmp_path) for p in kinds])
    return values


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_what_is_revealed_is_true(path: Path, tmp_path: Path) -> None:
    module = importlib.import_module(f"tests.typed.reveal.{path.stem}")
    values = ran(module, tmp_path)
    text = dict(line.split("  # ", 1) for line in TEXT.read_text().splitlines() if "  # " in line)
    untrue = []
    for call in calls():
        if call.file == path.stem and call.line in values:
            for t in text[call.source].split("  # pyright: "):
                if not holds(t, values[call.line]):
                    untrue.append(f"{call.source} is {values[call.line]!r}, not {t}")
    assert not untrue, "\n".join(untrue)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        TEXT.write_text("\n".join(revealed(Path(folder))) + "\n")
