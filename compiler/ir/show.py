"""How values in op fields are written as text; ``text.py`` reads the same forms back.

Ints, floats (``inf``, ``nan``), complex numbers, booleans, ``None``, quoted strings, tuples,
dtypes, types, meshes and programs: everything else has no place in an op.
"""

from __future__ import annotations

import json
from typing import Any

from verax.compiler.ir.dtypes import DType


def show(value: Any) -> str:
    """The text of one field value."""
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, tuple):
        inside = ", ".join(map(show, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, complex):
        return f"complex({value.real!r}, {value.imag!r})"
    if isinstance(value, DType):
        return value.name
    return str(value)


def indent(text: str) -> str:
    """The text with every line but the first moved in by two."""
    return text.replace("\n", "\n  ")
