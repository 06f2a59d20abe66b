"""Containers by content: a shallow copy, whether it still holds, what differs, and putting it back.

A function that reads a list, a dict, a set or a plain object is true of what stands in it now. So
what stands there is kept with its identity (see identity.py) and compared at each call, element by
element, by ``is``; and it is compared once more after staging, since nothing may write to it then
(see purity.py).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from operator import is_
from typing import Any, NamedTuple, TypeAlias

Same: TypeAlias = Callable[[Any, Any], bool]
Change: TypeAlias = tuple[str, Any, Any]
"""What differs in a container: the step to it (``[3]``, ``.w``), what stood and what stands."""


class _Missing:
    def __repr__(self) -> str:
        return "missing"


MISSING = _Missing()


class Kind(NamedTuple):
    """What is known of one kind of containers.

    Attributes:
        restore: puts the content back: (container, content).
        changes: what differs: (container, content).
    """

    restore: Callable[[Any, Any], None]
    changes: Callable[[Any, Any], Iterator[Change]]


# sequences and sets, as tuples -------------------------------------------------------------------


def same_items(v: Any, then: tuple[Any, ...]) -> bool:
    return len(v) == len(then) and all(map(is_, v, then))


def _refill(v: Any, then: tuple[Any, ...]) -> None:
    v.clear()
    (v.update if isinstance(v, set) else v.extend)(then)


def _item_changes(v: Any, then: tuple[Any, ...]) -> Iterator[Change]:
    if isinstance(v, set):
        yield from (("", MISSING, x) for x in v if x not in then)
        yield from (("", x, MISSING) for x in then if x not in v)
        return
    for i in range(max(len(v), len(then))):
        before = then[i] if i < len(then) else MISSING
        after = v[i] if i < len(v) else MISSING
        if before is not after:
            yield f"[{i}]", before, after


# dicts, and the attributes of objects, as dicts --------------------------------------------------


def same_entries(v: Mapping[Any, Any], then: Mapping[Any, Any]) -> bool:
    return (
        len(v) == len(then) and all(map(is_, v, then)) and all(map(is_, v.values(), then.values()))
    )


def _refill_dict(v: dict[Any, Any], then: Mapping[Any, Any]) -> None:
    v.clear()
    v.update(then)


def _entry_changes(v: Mapping[Any, Any], then: Mapping[Any, Any]) -> Iterator[Change]:
    for k in {**then, **v}:
        before, after = then.get(k, MISSING), v.get(k, MISSING)
        if before is not after:
            yield f"[{k!r}]", before, after


def same_attributes(v: Any, then: Mapping[str, Any]) -> bool:
    return same_entries(v.__dict__, then)


def _reset_attributes(v: Any, then: Mapping[str, Any]) -> None:
    _refill_dict(v.__dict__, then)


def _attribute_changes(v: Any, then: Mapping[str, Any]) -> Iterator[Change]:
    for k in {**then, **v.__dict__}:
        before, after = then.get(k, MISSING), v.__dict__.get(k, MISSING)
        if before is not after:
            yield f".{k}", before, after


def slots_of(c: type) -> tuple[str, ...]:
    """The names of the slots of a class and its bases."""
    found: list[str] = []
    for base in c.__mro__:
        own = vars(base).get("__slots__", ())
        for name in (own,) if isinstance(own, str) else own:
            private = name.startswith("__") and not name.endswith("__")
            found.append(f"_{base.__name__.lstrip('_')}{name}" if private else name)
    return tuple([n for n in found if n not in ("__dict__", "__weakref__")])


def slot_values(v: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """What stands in these slots of an object."""
    return {n: getattr(v, n, MISSING) for n in names}


def same_slots(v: Any, then: Mapping[str, Any]) -> bool:
    return all(getattr(v, n, MISSING) is x for n, x in then.items())


def _reset_slots(v: Any, then: Mapping[str, Any]) -> None:
    for n, x in then.items():
        if getattr(v, n, MISSING) is not x:
            object.__delattr__(v, n) if x is MISSING else object.__setattr__(v, n, x)


def _slot_changes(v: Any, then: Mapping[str, Any]) -> Iterator[Change]:
    for n, before in then.items():
        after = getattr(v, n, MISSING)
        if before is not after:
            yield f".{n}", before, after


# bytes -------------------------------------------------------------------------------------------


def same_raw(v: bytearray, then: bytes) -> bool:
    return v == then


def _refill_raw(v: bytearray, then: bytes) -> None:
    v[:] = then


def same_bytes(v: Any, then: bytes) -> bool:
    return bool(v.tobytes() == then)


def _refill_array(v: Any, then: bytes) -> None:
    if v.flags.writeable:
        v[...] = sys.modules["numpy"].frombuffer(then, v.dtype).reshape(v.shape)


def _whole_change(v: Any, then: bytes) -> Iterator[Change]:
    yield "", then, v


KINDS: dict[Same, Kind] = {
    same_items: Kind(_refill, _item_changes),
    same_entries: Kind(_refill_dict, _entry_changes),
    same_attributes: Kind(_reset_attributes, _attribute_changes),
    same_slots: Kind(_reset_slots, _slot_changes),
    same_raw: Kind(_refill_raw, _whole_change),
    same_bytes: Kind(_refill_array, _whole_change),
}
