"""Putting the results of one call in several cases together to one description.

A run of dims that follows the rank of an argument stays a ``Rest``, a dtype that follows that of an
argument stays its variable; what follows neither is open.

Law: the result describes what the call gave in every case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.sizes import Size, dim
from verax.compiler.ir.types import ArrayType, KeyType
from verax.dsl.typing.described import (
    ANY_SHAPE,
    Described,
    Many,
    Open,
    Record,
    Rest,
    SomeDType,
    Undecided,
    unknown_size,
)

KEY = "threefry2x32"


class Case(NamedTuple):
    """One way in which the open parts of a call are filled in."""

    ranks: Mapping[str, int]
    dtypes: Mapping[str, DType]
    as_size: bool


def dims_of(rest: str, rank: int) -> list[Size]:
    """The dims that stand for a rest in a case; those of an unknown rank are unknown."""
    return [dim(f"{rest}.{i}" if rest else f"?.{i}") for i in range(rank)]


def together(results: Sequence[tuple[Case, Any]]) -> Described:
    """One description that holds in all these cases."""
    firsts = [r for _, r in results]
    c = type(firsts[0])
    if c in (ArrayType, KeyType):
        return _arrays(results)
    if any(type(r) is not c for r in firsts):
        raise Undecided("the class of the result depends on the rank")
    if c is list and len({len(r) for r in firsts}) > 1:
        raise Undecided("the length of the result depends on the rank")
    if c in (tuple, list):
        if len({len(r) for r in firsts}) > 1:
            raise Undecided("the length of the result depends on the rank")
        return c([together([(k, r[i]) for k, r in results]) for i in range(len(firsts[0]))])
    if c is dict:
        return {k: together([(case, r[k]) for case, r in results]) for k in firsts[0]}
    if c is Record:
        n = len(firsts[0].values)
        parts = [together([(k, r.values[i]) for k, r in results]) for i in range(n)]
        return Record(firsts[0].origin, firsts[0].fields, parts)
    if c is Many:
        return Many(firsts[0].origin, together([(k, r.element) for k, r in results]))
    if all(r == firsts[0] for r in firsts):
        return firsts[0]
    if c is DType:
        return _dtype(results)
    raise Undecided("the result depends on what is not known")


def _arrays(results: Sequence[tuple[Case, Any]]) -> Described:
    if any(type(r) is not type(results[0][1]) for _, r in results):
        raise Undecided("the class of the result depends on the rank")
    dtype = None
    if type(results[0][1]) is ArrayType:
        dtype = _dtype([(k, r.dtype) for k, r in results])
    dims = _dims([(k, r.shape) for k, r in results])
    if any(isinstance(n, Rest) for n in dims) or isinstance(dtype, SomeDType):
        return Open(dtype, dims)
    shape: Any = dims
    return KeyType(KEY, shape) if dtype is None else ArrayType(shape, dtype)


def _dtype(results: Sequence[tuple[Case, DType]]) -> DType | SomeDType:
    first = results[0][1]
    for name in results[0][0].dtypes:
        if all(d is case.dtypes[name] for case, d in results):
            return SomeDType(name) if len(results) > 1 else first
    return first if all(d is first for _, d in results) else SomeDType("")


def _dims(results: Sequence[tuple[Case, tuple[Size, ...]]]) -> tuple[Size | Rest, ...]:
    """The dims that fit all: runs that follow a rank are rests, sizes that differ are unknown."""
    case, shape = max(results, key=lambda r: sum(r[0].ranks.values()))
    out: list[Size | Rest] = []
    at = 0
    while at < len(shape):
        name = next((r for r, k in case.ranks.items() if k and _run_of(r, k, shape, at)), None)
        if name is None:
            out.append(shape[at])
            at += 1
        else:
            out.append(Rest(name))
            at += case.ranks[name]
    if all(_filled(out, k) == s for k, s in results):
        return tuple(out)
    ranks = {len(s) for _, s in results}
    if len(ranks) > 1:
        return ANY_SHAPE
    columns = zip(*[s for _, s in results])
    return tuple([c[0] if len(set(c)) == 1 else unknown_size(i) for i, c in enumerate(columns)])


def _run_of(name: str, k: int, shape: Sequence[Size], at: int) -> bool:
    return list(shape[at : at + k]) == dims_of(name, k)


def _filled(dims: Sequence[Size | Rest], case: Case) -> tuple[Size, ...]:
    out: list[Size] = []
    for n in dims:
        if isinstance(n, Rest):
            out += dims_of(n.name, case.ranks[n.name])
        else:
            out.append(n)
    return tuple(out)
