"""docs/typing-corpus.md: what mypy, mypy with the plugin and pyright find in the corpus.

    python -m tests.typed.report [MUTANTS]

It needs pyright beside mypy, and some minutes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.typed.checkers import BUGS, CORRECT, ROOT, mypy, pyright
from tests.typed.killing import Batch, Killed
from tests.typed.mutate import mutants, sample
from tests.typed.score import Error, Score, score

PAGE = ROOT / "docs" / "typing-corpus.md"
MUTANTS = 600

HEAD = """# The corpus of typed programs

`tests/typed/` holds what a checker of verax programs is measured by. The tables below are written
by `python -m tests.typed.report`.

- **{n_bugs} seeded bugs** (`bugs/`), one per function, on lines marked `# bug: <kind>`. Each is a
  bug by what happens, not by what a checker says: staged at its declared types, with a size of its
  own for each dim, the function fails or gives something else than declared, and no other function
  of these files does (`judge.py`, which knows no checker). A bug is caught by an error on its
  statement; that a type is not known (`no-any-return`) does not count.
- **{n_correct} correct programs, {n_lines:,} lines** (`correct/`), from perceptrons to particle
  filters. They keep what they declare, by the same judge, and their examples run. So every error
  there is false.
- **Mutants** of the correct programs: one expression is changed. A mutant is faulty where the
  judge finds a fault when it is run, and only these count; the others are equivalent as far as
  types go (factors that commute, a square matrix, a sum of an axis that both share).

mypy runs with `strict`, and with `allow_redefinition`, so that `h` may be bound to another shape on
the next line. pyright runs in basic mode.
"""


class Found(NamedTuple):
    """What one checker found in all."""

    name: str
    bugs: Score
    correct: Score
    mutants: Killed
    seconds: float


def found(name: str, check: Callable[[Sequence[Path]], list[Error]], batch: Batch) -> Found:
    """One run of a checker over the corpus, and one over the mutants with their originals."""
    began = time.perf_counter()
    errors = check([*BUGS, *CORRECT])
    seconds = time.perf_counter() - began
    killed = batch.result(check([*CORRECT, *batch.files]))
    return Found(name, score(BUGS, errors), score(CORRECT, errors), killed, seconds)


def page(every: Sequence[Found], n_all: int) -> str:
    """The page as text."""
    lines = sum(len(path.read_text().splitlines()) for path in CORRECT)
    first = every[0]
    n_bugs = len(first.bugs.hit) + len(first.bugs.missed)
    head = HEAD.format(n_bugs=n_bugs, n_correct=len(CORRECT), n_lines=lines)
    names = [f.name for f in every]
    summary = table(
        ["", *names],
        [
            ["bugs caught", *[_of(len(f.bugs.hit), n_bugs) for f in every]],
            ["false errors in the rest of these files", *[str(len(f.bugs.false)) for f in every]],
            ["false errors in correct programs", *[str(len(f.correct.false)) for f in every]],
            ["faulty mutants killed", *[_killed(f.mutants) for f in every]],
        ],
    )
    kinds = table(
        ["kind of bug", *names],
        [[k, *[_of(*f.bugs.kinds()[k]) for f in every]] for k in first.bugs.kinds()],
    )
    mutations = table(
        ["kind of mutation", "equivalent", *names],
        [
            [k, str(same), *[_of(*f.mutants.kinds()[k][:2]) for f in every]]
            for k, (_, _, same) in first.mutants.kinds().items()
        ],
    )
    n = len(first.mutants.killed) + len(first.mutants.survived) + len(first.mutants.equivalent)
    parts = [
        head, "## Summary\n", summary, "## Bugs by kind\n", kinds, "## Mutants by kind\n",
        f"A sample of {n} of {n_all} mutants, evenly by kind.\n", mutations, remaining(every[-1]),
    ]  # fmt: skip
    return "\n".join(parts)


def remaining(f: Found) -> str:
    """What the last checker, the one with the plugin, does not get right."""
    out = [f"## What {f.name} misses, and reports wrongly\n"]
    out += [f"- missed: `{bug}`" for bug in f.bugs.missed]
    out += [f"- false: `{e}`" for e in (*f.bugs.false, *f.correct.false)]
    for m, why in f.mutants.survived:
        cause = str(why).split("\n")[0]
        out.append(f"- survives: `{' '.join(str(m).split())}`, which fails with {cause!r}")
    out += ["\n## Equivalent mutants of the sample\n"]
    out += ["Each keeps every declared type, staged with a size of its own for each dim.\n"]
    out += [f"- `{' '.join(str(m).split())}`" for m in f.mutants.equivalent]
    return "\n".join(out) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines) + "\n"


def _of(n: int, total: int) -> str:
    return f"{n} of {total}"


def _killed(k: Killed) -> str:
    n = len(k.killed) + len(k.survived)
    return f"{len(k.killed)} of {n} ({k.share:.1%})"


def main(n: int = MUTANTS) -> int:
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        batch = Batch(sample(CORRECT, n), scratch / "mutants")
        checkers = {
            "pyright": partial(pyright, scratch=scratch),
            "mypy": partial(mypy, scratch=scratch, plugin=False),
            "mypy with the plugin": partial(mypy, scratch=scratch, plugin=True),
        }
        every = [found(name, check, batch) for name, check in checkers.items()]
    PAGE.write_text(page(every, sum(len(mutants(path)) for path in CORRECT)))
    for f in every:
        print(
            f"{f.name}: {f.bugs.share:.1%} of the bugs, {f.mutants.share:.1%} of the mutants,"
            f" {len(f.bugs.false) + len(f.correct.false)} false errors, {f.seconds:.0f} s"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
