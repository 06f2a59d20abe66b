"""Which kinds of dtypes an op takes, and what the refusal of another one says.

Law: every dtype of a kind that an op takes is compiled and runs; every other one is refused where
types are inferred, with what to write instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.errors import DTypeError
from verax.compiler.ir.types import ArrayType


def check_kind(name: str, takes: Sequence[str], t: ArrayType) -> None:
    """Raise unless the operand is of one of these kinds."""
    if t.dtype.kind not in takes:
        name = PUBLIC.get(name, name)
        raise DTypeError(
            f"{name} takes {' or '.join(takes)} operands, got {t}",
            fix=_fix(takes, t.dtype),
            about=name,
        )


PUBLIC = {
    "and": "bitwise_and",
    "clamp": "clip",
    "clz": "count_leading_zeros",
    "complex": "make_complex",
    "div": "divide",
    "log_add_exp": "logaddexp",
    "max": "maximum",
    "min": "minimum",
    "mul": "multiply",
    "neg": "negative",
    "not": "bitwise_invert",
    "or": "bitwise_or",
    "rem": "remainder",
    "shift_left": "bitwise_left_shift",
    "shift_right_arithmetic": "bitwise_right_shift",
    "shift_right_logical": "bitwise_right_shift",
    "sub": "subtract",
    "xor": "bitwise_xor",
}
"""What users call the function that an op computes, where its name is another."""


def _fix(takes: Sequence[str], dtype: DType) -> str:
    if dtype.is_complex:
        if "float" in takes:
            return "take a real number of each: abs(x), x.real or x.imag"
        return "take a real part and convert it: x.real.astype(vx.int32)"
    to = {"float": "float32", "complex": "complex64"}
    if "int" in takes and (dtype.is_bool or "float" not in takes):
        return "convert the operand first: x.astype(vx.int32)"
    return f"convert the operand first: x.astype(vx.{next(to[k] for k in takes if k in to)})"
