"""What the bytecode of a user's function says: names, writes, imports, and the line that writes.

Everything is read once per code object. Nothing here decides: it says where to look, and names the
line in a message.
"""

from __future__ import annotations

import dis
import itertools
from collections.abc import Iterable, Iterator
from dis import opmap
from functools import lru_cache
from types import CodeType
from typing import NamedTuple

from verax.sharding.errors import source_line


class Facts(NamedTuple):
    """What one code, and the codes inside it, may do.

    Attributes:
        names: every name that it may look up: globals and attributes.
        stores: the globals that it binds.
        writes: whether it may write to what it did not make: an item, an attribute, a variable
            of a function around it, or by a method such as ``append``.
        imports: the modules that it imports.
    """

    names: tuple[str, ...]
    stores: tuple[str, ...]
    writes: bool
    imports: frozenset[str]


_MUTATORS = (
    "append appendleft extend extendleft insert pop popleft popitem remove clear sort reverse"
    " update setdefault add discard fill put partition resize setflags itemset rotate"
    " difference_update intersection_update symmetric_difference_update"
    " __setitem__ __delitem__ __setattr__ setattr delattr next send"
)
MUTATORS = frozenset(_MUTATORS.split())
_STORES = ("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_ATTR", "DELETE_ATTR", "STORE_SLICE")
_WRITES = frozenset(opmap[n] for n in _STORES if n in opmap)
_CELLS = frozenset((opmap["STORE_DEREF"], opmap["DELETE_DEREF"]))
_GLOBALS = frozenset((opmap["STORE_GLOBAL"], opmap["DELETE_GLOBAL"]))
_FACTS: dict[CodeType, Facts] = {}


def facts(code: CodeType) -> Facts:
    """What a code may do; found once."""
    known = _FACTS.get(code)
    if known is None:
        known = _FACTS[code] = _read(code)
    return known


def _read(code: CodeType) -> Facts:
    ops = frozenset(code.co_code[::2])
    names, stores = list(code.co_names), list[str]()
    writes = not (ops.isdisjoint(_WRITES) and MUTATORS.isdisjoint(names))
    if not ops.isdisjoint(_GLOBALS):
        stores += [str(i.argval) for i in dis.get_instructions(code) if i.opcode in _GLOBALS]
        writes = True
    writes = writes or bool(code.co_freevars and not ops.isdisjoint(_CELLS))
    imports = frozenset(names) if opmap["IMPORT_NAME"] in ops else frozenset()
    for inner in _inside(code):
        found = facts(inner)
        names += found.names
        stores += found.stores
        writes, imports = writes or found.writes, imports | found.imports
    return Facts(tuple(dict.fromkeys(names)), tuple(dict.fromkeys(stores)), writes, imports)


def _inside(code: CodeType) -> list[CodeType]:
    return [c for c in code.co_consts if isinstance(c, CodeType)]


# the line that writes -----------------------------------------------------------------------------


class _Line(NamedTuple):
    """One line of a code: the names that it reads and binds, the attributes that it writes."""

    place: str
    names: frozenset[str]
    attributes: frozenset[str]
    writes: bool


def written_at(codes: Iterable[CodeType], name: str, attribute: str = "") -> str | None:
    """The source line that most likely writes to a variable; None where no line looks like it.

    Args:
        codes: where to look.
        name: the variable: a container, or what is bound anew.
        attribute: the attribute of it that was written to, if one was.
    """
    lines = [
        line
        for code in codes
        if code.co_name not in ("__init__", "__post_init__")
        for line in _lines(code)
        if line.writes
    ]
    best = max(
        lines, key=lambda x: 2 * (attribute in x.attributes) + (name in x.names), default=None
    )
    if best is None or not (attribute in best.attributes or name in best.names):
        return None
    return best.place


def _lines(code: CodeType) -> Iterator[_Line]:
    found: dict[int, list[dis.Instruction]] = {}
    line = code.co_firstlineno
    for i in dis.get_instructions(code):
        if i.positions is not None and i.positions.lineno is not None:
            line = i.positions.lineno
        found.setdefault(line, []).append(i)
    for line, instructions in found.items():
        names = frozenset(i.argval for i in instructions if isinstance(i.argval, str))
        stores = [i for i in instructions if i.opcode in _WRITES and isinstance(i.argval, str)]
        ops = {i.opcode for i in instructions}
        free = {i.argval for i in instructions if i.opcode in _CELLS} & set(code.co_freevars)
        writes = not (ops.isdisjoint(_WRITES | _GLOBALS) and MUTATORS.isdisjoint(names))
        place = source_line(code.co_filename, line)
        yield _Line(place, names, frozenset(i.argval for i in stores), writes or bool(free))
    for inner in _inside(code):
        yield from _lines(inner)


def spoken_at(codes: Iterable[CodeType], name: str) -> str | None:
    """The first source line that speaks a name, or None."""
    return next((x.place for code in codes for x in _lines(code) if name in x.names), None)


@lru_cache(1024)
def follows(code: CodeType, name: str, attribute: str) -> bool:
    """Whether the code, or a code inside it, speaks ``name.attribute``."""
    found = list(dis.get_instructions(code))
    return any(
        a.argval == name and b.argval == attribute for a, b in itertools.pairwise(found)
    ) or any(follows(c, name, attribute) for c in _inside(code))


@lru_cache(1024)
def loads(code: CodeType, name: str) -> bool:
    """Whether the code, or a code inside it, reads the global of this name, not an attribute."""
    return any(
        i.argval == name and i.opname in ("LOAD_GLOBAL", "LOAD_NAME")
        for i in dis.get_instructions(code)
    ) or any(loads(c, name) for c in _inside(code))
