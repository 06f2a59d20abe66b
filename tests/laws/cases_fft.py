"""Cases of the Fourier transforms."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from tests.laws.harness import Array, Case, Gen, Sample, widened
from verax.compiler.ir.dtypes import complex64, complex128, float32, float64
from verax.compiler.ir.op import Op
from verax.compiler.ops.fft import Fft, half

SIZES = (3, 4, 1, 2, 5)


def transform(kind: str) -> Case:
    """One kind, of one to three dimensions of even and odd sizes, behind dimensions of a batch."""

    def make(g: Gen) -> Sample:
        rank = g.integer(1, 2 if g.smooth else 3)
        lead, sizes = g.shape(g.integer(0, 1)), [g.pick(SIZES) for _ in range(rank)]
        dtype = g.dtype((float32, float64) if kind == "rfft" else (complex64, complex128))
        last = sizes[-1] if kind == "irfft" else None
        if last is not None:
            sizes[-1] = cast(int, half(last))
        return Sample(Fft(kind, rank, last), [g.array((*lead, *sizes), dtype)])

    return Case(f"fft {kind}", make, reference, covers=("fft",), ulps=32, floor=8)


def reference(op: Op, x: Array) -> Any:
    assert isinstance(op, Fft)
    axes = range(x.ndim - op.rank, x.ndim)
    if x.size == 0:
        lengths = cast("tuple[int, ...]", op.lengths(x.shape))
        last = cast(int, half(lengths[-1])) if op.kind == "rfft" else lengths[-1]
        return np.zeros((*x.shape[: -op.rank], *lengths[:-1], last))
    s = {} if op.last is None else {"s": op.lengths(x.shape)}
    return getattr(np.fft, f"{op.kind}n")(widened(x), axes=axes, **s)


CASES = tuple(transform(kind) for kind in ("fft", "ifft", "rfft", "irfft"))
