"""Calls of the functions that jaxlib brings: LAPACK, through XLA's FFI.

A target takes and gives arrays whose last two dimensions are matrices in column-major order; the
dimensions in front of them are a batch. The layouts are part of the call, so XLA transposes where
the data lies otherwise, and nothing is written for it here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from verax.compiler.ir.dtypes import DType, complex64, complex128, float32, float64
from verax.compiler.ir.op import Emitter
from verax.compiler.ir.types import ArrayType

LETTER: Mapping[DType, str] = {float32: "s", float64: "d", complex64: "c", complex128: "z"}
"""What LAPACK calls the dtypes that it knows."""


def lapack(
    e: Emitter,
    routine: str,
    xs: Sequence[str],
    xts: Sequence[ArrayType],
    out_types: Sequence[ArrayType],
    attributes: Mapping[str, str] = {},
    *,
    matrices: Sequence[bool] | None = None,
    out_matrices: Sequence[bool] | None = None,
    in_place: Mapping[int, int] = {},
) -> list[str]:
    """Call ``lapack_<letter><routine>_ffi``; the letter is that of the first operand's dtype.

    Args:
        routine: LAPACK's name without its letter: ``getrf``, ``gesdd``...
        xs, xts: the operands and their types.
        out_types: the types of all results, ``info`` and work spaces included.
        attributes: the routine's parameters as MLIR attributes: ``{"uplo": "76 : ui8"}``.
        matrices, out_matrices: which operands and results are (batches of) matrices, column-major;
            by default those of two dimensions more than the batch of the first operand.
        in_place: result -> the operand whose memory it may take.
    """
    target = f"lapack_{LETTER[xts[0].dtype]}{routine}_ffi"
    e.custom_target(target)
    batch = xts[0].ndim - 2
    if matrices is None:
        matrices = [t.ndim == batch + 2 for t in xts]
    if out_matrices is None:
        out_matrices = [t.ndim == batch + 2 for t in out_types]
    config = ", ".join(f"{k} = {v}" for k, v in attributes.items())
    aliases = ", ".join(
        "#stablehlo.output_operand_alias<"
        f"output_tuple_indices = [{'' if len(out_types) == 1 else out}], "
        f"operand_index = {operand}, operand_tuple_indices = []>"
        for out, operand in in_place.items()
    )
    text = (
        f"stablehlo.custom_call @{target}({', '.join(xs)}) {{api_version = 4 : i32, "
        f"backend_config = {{{config}}}, "
        f"operand_layouts = [{_layouts(xts, matrices)}], "
        f"result_layouts = [{_layouts(out_types, out_matrices)}], "
        f"output_operand_aliases = [{aliases}]}} : "
        f"({', '.join(t.mlir for t in xts)}) -> "
    )
    outs = ", ".join(t.mlir for t in out_types)
    return e.ops(text + (outs if len(out_types) == 1 else f"({outs})"), len(out_types))


def _layouts(ts: Sequence[ArrayType], matrices: Sequence[bool]) -> str:
    return ", ".join(_layout(t.ndim, m) for t, m in zip(ts, matrices))


def _layout(ndim: int, matrix: bool) -> str:
    """The dimensions from minor to major."""
    order = list(reversed(range(ndim)))
    if matrix:
        order[:2] = [ndim - 2, ndim - 1]
    dims = f"[{', '.join(map(str, order))}]" if order else ""
    return f"dense<{dims}> : tensor<{ndim}xindex>"
