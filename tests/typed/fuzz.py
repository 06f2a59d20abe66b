"""Random well-typed programs, made by staging them.

A program is a function over declared arrays, and a row of expressions. Each is evaluated on staged
values as it is written, so that its true type is known; what raises is left out. The same text is
then checked with the plugin, and what mypy reveals of each expression is compared.

Law: nothing crashes, no error is reported, and what is revealed is the staged type.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple, TypeAlias

import verax as vx
from tests.typed.fuzz_steps import PRELUDE, STEPS
from tests.typed.projects import Project
from tests.typed.revealed import Read, Reader, fits, staged
from verax.compiler.ir.dtypes import BY_NAME, DType, float32
from verax.compiler.ir.errors import InternalError
from verax.compiler.ir.sizes import Size, dim
from verax.compiler.ir.types import ArrayType
from verax.dsl.lang.scope import Scope
from verax.dsl.lang.stage import entered
from verax.dsl.lang.value import Value, wrap

SIZES: dict[str, Size] = {
    "B": dim("B"),
    "C": dim("C"),
    "N": dim("N"),
    "M": dim("M"),
    **{f"Literal[{n}]": n for n in (1, 2, 3, 4)},
    "vx.Mul[Literal[2], B]": 2 * dim("B"),
    "vx.Mul[B, N]": dim("B") * dim("N"),
    "vx.Add[C, Literal[1]]": dim("C") + 1,
}
ALIASES = {"F32": "float32", "I32": "int32", "F64": "float64", "Bool": "bool_"}
RANKS = (2, 1, 3)
"""How many dims a run of dims stands for; a program fits all, and is compared at the first."""
Declared: TypeAlias = tuple[tuple[Size | None, ...], DType]
"""The dims of a parameter, None for a run of them, and its dtype."""
KINDS = {"x": "x", "y": "x", "z": "x", "m": "m", "o": "m", "k": "k", "f": "f", "g": "f", "c": "c"}
KINDS |= {"u": "u", "v": "u", "w": "w", "r": "w"}
"""What letters in expressions stand for arrays of one kind."""
STEPS_EACH = 7
TRIES = 60


class Step(NamedTuple):
    """One expression, with its staged type; None where staging refuses it."""

    text: str
    true: Read | None
    error: str = ""


class Program(NamedTuple):
    """A function: its parameters as they are declared, and its expressions."""

    parameters: str
    steps: tuple[Step, ...]


class World:
    """What the names of a program are worth while it is staged, with one rank for ``*Ds``."""

    def __init__(self, parameters: Sequence[tuple[str, Declared]], rank: int) -> None:
        self.scope = Scope("a program", None)
        self.scope.strict = True
        self.names: dict[str, Any] = {}
        for name, (sizes, dtype) in parameters:
            shape: list[Size] = []
            for n in sizes:
                shape += dims_of(rank) if n is None else [n]
            t = ArrayType(tuple(shape), dtype)
            self.names[name] = wrap(t, self.scope.builder.input(t), self.scope)

    def run(self, text: str, prelude: dict[str, Any]) -> Any:
        """The value of an expression."""
        self.scope.open = True
        with entered(self.scope):
            return eval(text, {**prelude, **self.names})


class Maker:
    """Makes programs."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.prelude: dict[str, Any] = {"__name__": "prelude"}
        exec(compile(PRELUDE, "<prelude>", "exec", dont_inherit=True), self.prelude)
        for name, f in self.prelude.items():
            if isinstance(f, FunctionType) and f.__module__ == "prelude":
                self.prelude[name] = vx.jit(f)  # so that what is passed fits what is declared

    def parameter(self, segments: bool) -> tuple[str, Declared]:
        """An annotation and the type that it declares."""
        pick = self.random.choice
        alias = pick(["F32", "F32", "F32", "F32", "I32", "F64", "Bool"])
        names = [pick(list(SIZES)) for _ in range(pick([0, 1, 1, 2, 2, 2, 3]))]
        sizes: list[Size | None] = [SIZES[n] for n in names]
        if segments and self.random.random() < 0.5:
            names.insert(0, "*Ds")
            sizes.insert(0, None)
        inner = ", ".join(names) or "()"
        dtype = BY_NAME["bool" if alias == "Bool" else ALIASES[alias]]
        return f"vx.{alias}[{inner}]", (tuple(sizes), dtype)

    def program(self, *, ill: bool = False) -> Program:
        """A program; with ``ill`` its last expression is one that staging refuses."""
        segments = self.random.random() < 0.15
        written = []
        parameters: list[tuple[str, Declared]] = []
        for name in "abcd"[: self.random.choice([2, 3, 4])]:
            text, declared = self.parameter(segments)
            written.append(f"{name}: {text}")
            parameters.append((name, declared))
        worlds = [World(parameters, rank) for rank in (RANKS if segments else RANKS[:1])]
        steps: list[Step] = []
        for i in range(STEPS_EACH):
            found = self.step(worlds, i)
            if found is not None:
                steps.append(found)
        if ill:
            steps += self.refused(worlds[0])
        return Program(", ".join(written), tuple(steps))

    def step(self, worlds: Sequence[World], i: int) -> Step | None:
        """An expression that can be staged, whatever the ranks are; its value gets a name."""
        for _ in range(TRIES):
            text = self.expression(worlds[0].names)
            if text is None:
                continue
            try:
                values = [w.run(text, self.prelude) for w in worlds]
            except InternalError:
                raise
            except Exception:
                continue
            for w, x in zip(worlds, values):
                w.names[f"v{i}"] = x
            return Step(f"v{i} = {text}", staged(values[0]))
        return None

    def refused(self, world: World) -> Iterator[Step]:
        """An expression that cannot be staged."""
        for _ in range(TRIES):
            text = self.expression(world.names)
            if text is None:
                continue
            try:
                world.run(text, self.prelude)
            except Exception as error:
                yield Step(text, None, getattr(error, "code", type(error).__name__))
                return

    def expression(self, env: dict[str, Any]) -> str | None:
        """One of the expressions with arrays of the program in it; None where it has none."""
        arrays = {k: v.type for k, v in env.items() if isinstance(v, Value) and not v.weak}
        arrays = {k: t for k, t in arrays.items() if isinstance(t, ArrayType) and t.ndim < 5}
        of = {
            "x": [*arrays],
            "m": [k for k, t in arrays.items() if t.ndim >= 2],
            "k": [k for k, t in arrays.items() if t.ndim >= 2 and not has_run(t)],
            "f": [k for k, t in arrays.items() if t.dtype.is_float],
            "u": [k for k, t in arrays.items() if t.ndim == 1 and is_plain(t)],
            "w": [k for k, t in arrays.items() if t.ndim == 2 and is_plain(t)],
            "c": [k for k, t in arrays.items() if t.dtype.is_bool],
        }
        out = self.random.choice(STEPS)
        for kind, like in KINDS.items():
            if f"{{{kind}}}" in out:
                names = of[like]
                if not names:
                    return None
                recent = names[-3:] if self.random.random() < 0.5 else names
                out = out.replace(f"{{{kind}}}", self.random.choice(recent))
        out = out.replace("{i}", self.random.choice(["0", "-1", "1"]))
        out = out.replace("{n}", self.random.choice("1234"))
        return out.replace("{{", "{").replace("}}", "}")


def has_run(t: ArrayType) -> bool:
    """Whether the rank is not the same always."""
    return any("Ds." in str(n) for n in t.shape)


def is_plain(t: ArrayType) -> bool:
    """Whether an array is of float32, of one rank."""
    return t.dtype is float32 and not has_run(t)


def dims_of(rank: int) -> tuple[Size, ...]:
    """What a run of dims stands for."""
    return tuple([dim(f"Ds.{i}") for i in range(rank)])


# checking ----------------------------------------------------------------------------------------


@dataclass
class Found:
    """What mypy said of programs.

    Attributes:
        wrong: what breaks a law, with the source of the function.
        known: how many types are known whole.
        opened: how many have unknown parts.
        open: those of them that were made from types that are known whole: whether a run of dims is
            declared, and the expression.
        caught: of what staging refuses, the code of the error, and whether one was reported.
    """

    wrong: list[str] = field(default_factory=list)
    known: int = 0
    opened: int = 0
    open: Counter[tuple[str, str]] = field(default_factory=Counter)
    caught: Counter[tuple[str, bool]] = field(default_factory=Counter)


def source_of(programs: Sequence[Program]) -> tuple[str, dict[int, tuple[int, Step]]]:
    """A module with a function per program, and per line whose type is revealed its step."""
    lines = PRELUDE.splitlines()
    at: dict[int, tuple[int, Step]] = {}
    for i, p in enumerate(programs):
        lines.append(f"def f{i}({p.parameters}) -> None:")
        for step in p.steps:
            name, equals, _ = step.text.partition(" = ")
            lines.append(f"    {step.text}")
            if step.true is not None and equals:
                lines.append(f"    reveal_type({name})")
            at[len(lines)] = i, step
    return "\n".join(lines) + "\n", at


def check(programs: Sequence[Program], folder: Path, library: Path, per_module: int = 100) -> Found:
    """Check all programs in one run of mypy."""
    parts = [programs[i : i + per_module] for i in range(0, len(programs), per_module)]
    written = {f"m{k}": source_of(part) for k, part in enumerate(parts)}
    project = Project(folder, library, {name: text for name, (text, _) in written.items()})
    done = project.run("-m", "mypy", *project.files(), limit_s=3600)
    if done.returncode not in (0, 1) or "INTERNAL" in done.stdout or done.stderr:
        raise AssertionError(done.stdout[-3000:] + done.stderr[-3000:])
    said: dict[str, dict[int, list[str]]] = {name: {} for name in written}
    for line in done.stdout.splitlines():
        name, _, rest = line.partition(".py:")
        number, _, text = rest.partition(": ")
        if number.isdigit():
            said[name].setdefault(int(number), []).append(text)
    found = Found()
    for name, (text, at) in written.items():
        judge(text.splitlines(), at, said[name], found)
    return found


def judge(
    lines: Sequence[str], at: dict[int, tuple[int, Step]], said: dict[int, list[str]], found: Found
) -> None:
    """Compare what mypy said of one module with what is true."""
    opened: set[tuple[int, str]] = set()
    for number, (i, step) in at.items():
        here, shown = said.pop(number - 1, []), said.pop(number, [])
        if step.true is None:
            here += shown
        errors = [x for x in (*here, *shown) if x.startswith("error")]
        if step.true is None:
            found.caught[step.error, bool(errors)] += 1
            continue
        head = next(lines[n] for n in range(number - 1, 0, -1) if lines[n].startswith("def "))
        revealed = [x for x in shown if "Revealed type is " in x]
        text = revealed[0].partition('is "')[2][:-1] if revealed else ""
        fit = fits(Reader(text, {"Ds": dims_of(RANKS[0])}).read(), step.true)
        if errors or fit is False:
            found.wrong.append(f"{head}\n  {step.text}\n    {errors or text}\n    {step.true}")
        elif fit:
            found.known += 1
        else:
            name, _, value = step.text.partition(" = ")
            used = re.findall(r"\b\w+\b", value)
            if not any((i, v) in opened for v in used):
                runs = "*Ds" if "*Ds" in head else ""
                found.open[runs, re.sub(r"\b([a-d]|v\d)\b(?!\")", "x", value)] += 1
            opened.add((i, name))
    found.opened += len(opened)
    rest = [f"{n}: {x}" for n, texts in said.items() for x in texts if x.startswith("error")]
    found.wrong.extend(rest)


def make(n: int, seed: int, *, ill: bool = False) -> list[Program]:
    """n programs; the same ones for a seed."""
    maker = Maker(seed)
    return [maker.program(ill=ill) for _ in range(n)]
