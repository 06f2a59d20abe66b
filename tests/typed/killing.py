"""Which mutants a checker kills: all of them are checked in one run, beside their originals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.typed.mutate import Mutant, reason, written
from tests.typed.score import Error


class Killed(NamedTuple):
    """The faulty mutants that a checker reports and those that it does not, and the others."""

    killed: list[Mutant]
    survived: list[tuple[Mutant, Exception]]
    equivalent: list[Mutant]

    @property
    def share(self) -> float:
        """The part of the faulty mutants that was reported."""
        return len(self.killed) / max(1, len(self.killed) + len(self.survived))

    def kinds(self) -> dict[str, tuple[int, int, int]]:
        """Per kind how many were killed, how many are faulty, and how many are equivalent."""
        killed = Counter(m.kind for m in self.killed)
        faulty = killed + Counter(m.kind for m, _ in self.survived)
        same = Counter(m.kind for m in self.equivalent)
        return {k: (killed[k], faulty[k], same[k]) for k in sorted(faulty | same)}


class Batch:
    """Mutants, judged and written to a new folder, to be checked together with other files.

    Attributes:
        files: one for each faulty mutant.
    """

    def __init__(self, mutants: Sequence[Mutant], folder: Path) -> None:
        judged = [(m, reason(m)) for m in mutants]
        self.faulty = [(m, why) for m, why in judged if why is not None]
        self.equivalent = [m for m, why in judged if why is None]
        self.files = written([m for m, _ in self.faulty], folder)

    def result(self, errors: Sequence[Error]) -> Killed:
        """What a checker's errors say, those of the originals among them.

        A mutant is killed by an error that its original does not have.
        """
        known = {(e.path.name, e.text) for e in errors if e.path not in self.files}
        places = {path.resolve(): i for i, path in enumerate(self.files)}
        hit = set()
        for e in errors:
            at = places.get(e.path)
            if at is not None and (self.faulty[at][0].path.name, e.text) not in known:
                hit.add(at)
        killed = [m for i, (m, _) in enumerate(self.faulty) if i in hit]
        survived = [x for i, x in enumerate(self.faulty) if i not in hit]
        return Killed(killed, survived, self.equivalent)
