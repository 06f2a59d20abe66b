"""Sums of products of labelled arrays: what matmul, tensordot, einsum and their kin share.

A label names a dimension; labels that the result does not have are summed. As in broadcasting, a
dimension of size 1 fits any size: it is dropped, since an array without the dimension does too.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple, TypeAlias

from verax.compiler.ir.dtypes import DType, bool_, int32
from verax.compiler.ir.sizes import Size
from verax.compiler.ops.contract import canonical
from verax.dsl.lang.dtypes import DTypeLike, dtype_of
from verax.dsl.lang.fused import fused
from verax.dsl.lang.manipulation import reshaped
from verax.dsl.lang.promotion import asarray, common_dtype, convert
from verax.dsl.lang.signatures import AnyArray, ArrayLike
from verax.dsl.lang.value import apply, shape_of

Label: TypeAlias = Hashable
Labels: TypeAlias = tuple[Label, ...]
Pair: TypeAlias = tuple[int, int]

_EXHAUSTIVE = 5  # up to so many factors all orders are compared, above only the next pairs


class Spec(NamedTuple):
    """The labels of the operands and of the result, and the dtype to accumulate in, if another."""

    ins: tuple[Labels, ...]
    out: Labels
    dtype: DType | None = None


def factors_of(name: str, *xs: ArrayLike) -> list[AnyArray]:
    """The operands as arrays of the dtype in which they meet."""
    dtype = common_dtype(name, xs)
    return [convert(asarray(x, name=name), dtype) for x in xs]


def contract(
    ins: Sequence[Labels], out: Labels, xs: Sequence[AnyArray], dtype: DTypeLike = None
) -> AnyArray:
    """The sum over all labels that ``out`` does not have of the product of the operands.

    Args:
        dtype: the dtype of the result and of the accumulation, by default that of the operands.
    """
    to = None if dtype is None else dtype_of(dtype)
    return fused(_contract, Spec(tuple(ins), out, to), *xs)


def _contract(spec: Spec, *xs: AnyArray) -> AnyArray:
    """Pair by pair, in the order that takes the fewest multiplications."""
    if xs[0].dtype is bool_:  # "and" is the product of bools, "or" their sum
        counts = _contract(spec._replace(dtype=None), *[convert(x, int32) for x in xs])
        return convert(counts != 0, spec.dtype or bool_)
    if len(xs) > 2 and spec.dtype is not None:
        xs = tuple([convert(x, spec.dtype) for x in xs])
    sizes: dict[Label, Size] = {}
    for labels, x in zip(spec.ins, xs):
        for f, n in zip(labels, shape_of(x)):
            if sizes.get(f, 1) == 1:
                sizes[f] = n
    terms = [_fitted(labels, x, sizes) for labels, x in zip(spec.ins, xs)]
    while len(terms) > 2:
        i, j = _first_pair([labels for labels, _ in terms], spec.out, sizes)
        pair = [terms[i], terms[j]]
        del terms[j], terms[i]
        left = _left([labels for labels, _ in pair], [labels for labels, _ in terms], spec.out)
        terms.append((left, _emit(pair, left, None)))
    (labels, x), *others = terms
    if not others and labels == spec.out:
        return convert(x, spec.dtype or x.dtype)
    return _emit(terms, spec.out, spec.dtype)


def _fitted(labels: Labels, x: AnyArray, sizes: dict[Label, Size]) -> tuple[Labels, AnyArray]:
    """An operand without the dimensions of size 1 that meet another size."""
    kept = [i for i, f in enumerate(labels) if sizes[f] == 1 or shape_of(x)[i] != 1]
    shape = tuple([shape_of(x)[i] for i in kept])
    return tuple([labels[i] for i in kept]), reshaped(x, shape)


def _emit(terms: Sequence[tuple[Labels, AnyArray]], out: Labels, dtype: DType | None) -> AnyArray:
    number: dict[Label, int] = {}
    for labels in (*[labels for labels, _ in terms], out):
        for f in labels:
            number.setdefault(f, len(number))
    xs = [x for _, x in terms]
    op = canonical(
        [tuple([number[f] for f in labels]) for labels, _ in terms],
        tuple([number[f] for f in out]),
        (),
        None if dtype is xs[0].dtype else dtype,
    )
    return apply(op, *xs)


def _left(pair: Sequence[Labels], others: Sequence[Labels], out: Labels) -> Labels:
    """The labels of a pair that are still needed, in order of appearance."""
    needed = {f for labels in others for f in labels} | set(out)
    return tuple([f for f in dict.fromkeys((*pair[0], *pair[1])) if f in needed])


def _first_pair(terms: Sequence[Labels], out: Labels, sizes: dict[Label, Size]) -> Pair:
    """The pair to multiply first; in the order given where a size is unknown."""
    known = {f: n for f, n in sizes.items() if isinstance(n, int)}
    return _path(tuple(terms), out, known)[1] if len(known) == len(sizes) else (0, 1)


def _path(terms: tuple[Labels, ...], out: Labels, sizes: dict[Label, int]) -> tuple[int, Pair]:
    """The fewest multiplications that give the product, and the first pair on the way there."""
    pairs = [(i, j) for j in range(len(terms)) for i in range(j)]
    costs = {(i, j): math.prod([sizes[f] for f in {*terms[i], *terms[j]}]) for i, j in pairs}
    if len(terms) > _EXHAUSTIVE:
        pairs = [min(pairs, key=costs.__getitem__)]
    found = []
    for i, j in pairs:
        others = tuple([t for k, t in enumerate(terms) if k not in (i, j)])
        rest = 0
        if others:
            rest = _path((*others, _left((terms[i], terms[j]), others, out)), out, sizes)[0]
        found.append((costs[i, j] + rest, (i, j)))
    return min(found)
