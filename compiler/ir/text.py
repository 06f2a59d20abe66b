"""Reading programs back from their text: a hand-written scanner and a recursive descent parser.

The grammar is on one page in docs/ir.md. Law: ``parse(str(p)) == p`` for every program; spans are
not text, so a parsed program has none. Types of results are read, then compared with what the ops
infer, so a text that was edited into nonsense is refused with the line where it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn

from verax.compiler.ir.dtypes import BY_NAME
from verax.compiler.ir.errors import ParseError
from verax.compiler.ir.op import REGISTRY, SPELLINGS, Op
from verax.compiler.ir.program import Builder, Equation, Program
from verax.compiler.ir.sizes import Poly, Size, dim
from verax.compiler.ir.types import ArrayType, KeyType, Type
from verax.sharding.errors import VeraxError
from verax.sharding.mesh import Mesh

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>-?(?:inf\b|nan\b|\d+\.?\d*(?:[eE][-+]?\d+)?))
    | (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<slot>%\d+)
    | (?P<word>[A-Za-z_][A-Za-z_0-9]*)
    | (?P<sign>[(){}\[\],=:<>+*-])
    | (?P<end>$)
    )""",
    re.VERBOSE,
)


class _Scanner:
    """The tokens of a text, one ahead."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.kind, self.token = "", ""
        self.start = 0
        self.advance()

    def advance(self) -> str:
        """Move to the next token; returns the one that was current."""
        was = self.token
        match = _TOKEN.match(self.text, self.at)
        if match is None:
            self.start = self.at
            self.fail("a token that the grammar knows")
        self.kind, self.token = str(match.lastgroup), match.group(str(match.lastgroup))
        self.start, self.at = match.start(match.lastgroup or 0), match.end()
        return was

    def fail(self, expected: str) -> NoReturn:
        line = self.text.count("\n", 0, self.start) + 1
        source = self.text.splitlines()[line - 1].strip() if self.text.strip() else ""
        found = repr(self.token) if self.token else "the end of the text"
        raise ParseError(f"line {line}: expected {expected}, found {found} in: {source}")

    def accept(self, token: str) -> bool:
        if self.token == token and self.kind != "string":
            self.advance()
            return True
        return False

    def expect(self, token: str) -> None:
        if not self.accept(token):
            self.fail(repr(token))

    def word(self) -> str:
        if self.kind != "word":
            self.fail("a name")
        return self.advance()

    def integer(self) -> int:
        if self.kind != "number" or not re.fullmatch(r"-?\d+", self.token):
            self.fail("an integer")
        return int(self.advance())

    def sequence(self, close: str, item: Callable[[], Any]) -> list[Any]:
        """Items between here and ``close``, separated by commas; a trailing comma is allowed."""
        items: list[Any] = []
        while not self.accept(close):
            items.append(item())
            if not self.accept(","):
                self.expect(close)
                break
        return items


def parse(text: str) -> Program:
    """The program whose ``str`` this is.

    Raises:
        ParseError: the text does not follow the grammar, names an op that is not loaded, or states
            types that the ops do not infer.

    >>> from verax.compiler.ops import pointwise
    >>> print(parse("(%0: float32[3]) { %1: float32[3] = neg %0 return %1 }"))
    (%0: float32[3]) {
      %1: float32[3] = neg %0
      return %1
    }
    """
    s = _Scanner(text)
    p = _program(s)
    if s.kind != "end":
        s.fail("the end of the text")
    return p


def _program(s: _Scanner) -> Program:
    b = Builder()
    s.expect("(")
    for t in s.sequence(")", lambda: _slot_and_type(s, b)):
        b.input(t)
    n_in = len(b.types)
    s.expect("{")
    while s.kind == "slot" or (s.kind == "word" and s.token != "return"):
        _equation(s, b)
    s.expect("return")
    outs: list[int] = []
    while s.kind == "slot":
        outs.append(_known_slot(s, b))
        if not s.accept(","):
            break
    s.expect("}")
    return Program(n_in, tuple(b.types), tuple(b.equations), tuple(outs))


def _slot_and_type(s: _Scanner, b: Builder) -> Type:
    if s.kind != "slot":
        s.fail("a value such as %0")
    s.advance()
    s.expect(":")
    return _type(s)


def _equation(s: _Scanner, b: Builder) -> None:
    start = s.start
    types: list[Type] = []
    while s.kind == "slot":
        if int(s.token[1:]) != len(b.types) + len(types):
            s.fail(f"the next value, %{len(b.types) + len(types)}")
        types.append(_slot_and_type(s, b))
        s.accept(",")
    s.expect("=")
    name = s.token
    op = _op(s)
    operands: list[int] = []
    while s.kind == "slot" and not _starts_equation(s):
        operands.append(_known_slot(s, b))
        s.accept(",")
    try:
        inferred = op.infer(tuple(b.types[x] for x in operands))
    except VeraxError as error:
        s.start = start
        raise ParseError(f"{name} does not take these operands: {error.message}") from None
    if list(inferred) != types:
        stated, meant = ", ".join(map(str, types)), ", ".join(map(str, inferred))
        raise ParseError(f"{name} gives {meant}, but the text says {stated}")
    b.equations.append(Equation(op, tuple(operands), len(b.types), len(types), None))
    b.types += types


def _starts_equation(s: _Scanner) -> bool:
    """Whether the slot at hand is followed by its type: then the next equation begins here."""
    match = _TOKEN.match(s.text, s.at)
    return match is not None and match.group(str(match.lastgroup)) == ":"


def _known_slot(s: _Scanner, b: Builder) -> int:
    slot = int(s.token[1:])
    if slot >= len(b.types):
        s.fail("a value that is defined before its use")
    s.advance()
    return slot


def _op(s: _Scanner) -> Op:
    name = s.token
    if s.kind != "word":
        s.fail("the name of an op")
    if name in SPELLINGS:
        s.advance()
        return SPELLINGS[name]
    cls = REGISTRY.get(name)
    if cls is None:
        s.fail("the name of an op that is loaded")
    s.advance()
    fields: dict[str, Any] = {}
    if s.accept("{"):
        fields = dict(s.sequence("}", lambda: _field(s)))
    if set(fields) != set(cls.fields):
        raise ParseError(f"{name} has the fields {cls.fields}, the text gives {tuple(fields)}")
    op: Op = cls(**fields)
    return op


def _field(s: _Scanner) -> tuple[str, Any]:
    name = s.word()
    s.expect("=")
    return name, _value(s)


_WORDS: dict[str, Any] = {"True": True, "False": False, "None": None}


def _value(s: _Scanner) -> Any:
    """A field value: what ``show`` writes."""
    if s.kind == "string":
        return json.loads(s.advance())
    if s.kind == "number":
        return _number(s)
    if s.token == "(":
        return _program(s) if _is_program(s) else _tuple(s)
    if s.kind != "word":
        s.fail("a value")
    if s.token in _WORDS:
        return _WORDS[s.advance()]
    if s.token == "complex":
        s.advance()
        s.expect("(")
        return complex(*s.sequence(")", lambda: _float(s)))
    if s.token == "Mesh":
        s.advance()
        s.expect("(")
        return Mesh(**dict(s.sequence(")", lambda: _axis(s))))
    if s.token == "key":
        return _type(s)
    if s.token in BY_NAME:
        following = _TOKEN.match(s.text, s.at)
        is_type = following is not None and following.group(str(following.lastgroup)) == "["
        return _type(s) if is_type else BY_NAME[s.advance()]
    return _size(s)


def _number(s: _Scanner) -> float | Size:
    return _size(s) if re.fullmatch(r"-?\d+", s.token) else _float(s)


def _float(s: _Scanner) -> float:
    if s.kind != "number":
        s.fail("a number")
    return float(s.advance())


def _axis(s: _Scanner) -> tuple[str, int]:
    name = s.word()
    s.expect("=")
    return name, s.integer()


def _tuple(s: _Scanner) -> tuple[Any, ...]:
    s.expect("(")
    return tuple(s.sequence(")", lambda: _value(s)))


_PROGRAM = re.compile(r"\(\s*(?:%\d+\s*:|\)\s*\{)")


def _is_program(s: _Scanner) -> bool:
    return _PROGRAM.match(s.text, s.start) is not None


def _type(s: _Scanner) -> Type:
    name = s.word()
    if name == "key":
        s.expect("<")
        impl = s.word()
        s.expect(">")
        s.expect("[")
        return KeyType(impl, tuple(s.sequence("]", lambda: _size(s))))
    dtype = BY_NAME.get(name)
    if dtype is None:
        s.fail("a dtype")
    s.expect("[")
    return ArrayType(tuple(s.sequence("]", lambda: _size(s))), dtype)


def _size(s: _Scanner) -> Size:
    """An int, or a sum of products such as ``2*n*m-n+1``."""
    total = _product(s)
    while True:
        if s.accept("+"):
            total = total + _product(s)
        elif s.accept("-"):
            total = total - _product(s)
        elif s.kind == "number" and s.token.startswith("-"):  # the scanner takes the sign along
            total = total + _product(s)
        else:
            return total


def _product(s: _Scanner) -> Size:
    sign = -1 if s.accept("-") else 1
    total: Size = sign
    while True:
        factor: int | Poly = s.integer() if s.kind == "number" else dim(s.word())
        total = total * factor
        if not s.accept("*"):
            return total
