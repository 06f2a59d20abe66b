"""What the mypy plugin costs: mypy with it and without it, on 3,000 lines of array programs.

The programs are the correct ones of the corpus, in modules of their own, again until there are
enough lines; every one of them is stale after an edit, and the library is cached. What is compared
is processor time, which other work on the machine changes least.

    python -m tests.bench.checking [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

from tests.typed.checkers import CORRECT, PLUGIN, ROOT

LINES = 3000
GOALS = {"cold": None, "stale": 1.6, "warm": 2.0}
_CONFIG = """[mypy]
strict = true
allow_redefinition = true
python_version = 3.11
mypy_path = {root}
explicit_package_bases = true
cache_dir = {scratch}/cache-{side}
{plugins}
[mypy-jaxlib.*,scipy.*,ml_dtypes.*]
ignore_missing_imports = true
follow_imports = skip
"""


class Time(NamedTuple):
    """Seconds of one run."""

    processor: float
    wall: float


class Bench:
    """The programs in a folder, and runs of mypy over them."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.files: list[Path] = []
        folder = scratch / "programs"
        folder.mkdir()
        self.lines = 0
        for i, source in enumerate(cycle(CORRECT)):
            text = source.read_text()
            path = folder / f"{source.stem}_{i}.py"
            path.write_text(text)
            self.files.append(path)
            self.lines += sum(1 for line in text.splitlines() if line.strip())
            if self.lines >= LINES:
                break
        for side in ("plugin", "plain"):
            plugins = f"plugins = {PLUGIN}" if side == "plugin" else ""
            config = _CONFIG.format(root=ROOT, scratch=scratch, side=side, plugins=plugins)
            (scratch / f"{side}.ini").write_text(config)

    def run(self, side: str) -> Time:
        """One run of mypy, as a user has it: with the bytecode of what it imports cached."""
        env = dict(os.environ, PYTHONPATH=str(ROOT))
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        env["PYTHONPYCACHEPREFIX"] = str(self.scratch / "bytecode")
        config = self.scratch / f"{side}.ini"
        command = [sys.executable, "-m", "mypy", "--config-file", str(config)]
        start = time.perf_counter()
        child = subprocess.Popen(
            [*command, *map(str, self.files)], cwd=self.scratch, env=env, stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in (0, 1):
            raise SystemExit(f"mypy stopped with {child.returncode}")
        return Time(usage.ru_utime + usage.ru_stime, time.perf_counter() - start)

    def rounds(self, n: int) -> Iterator[tuple[str, str, Time]]:
        """(state of the cache, side, time) of every run: A B A B."""
        for side in ("plain", "plugin"):
            self.run(side)  # writes the bytecode
        for _ in range(n):
            for side in ("plain", "plugin"):
                for cached in (self.scratch / f"cache-{side}").rglob("*"):
                    if cached.is_file():
                        cached.unlink()
                yield "cold", side, self.run(side)
        for i in range(n):
            for path in self.files:
                path.write_text(f"{path.read_text()}\n# edit {i}\n")
            for side in ("plain", "plugin"):
                yield "stale", side, self.run(side)
        for _ in range(n):
            for side in ("plain", "plugin"):
                yield "warm", side, self.run(side)


def main() -> None:
    """Print one row per state of the cache."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: dict[tuple[str, str], list[Time]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch))
        print(f"{bench.lines} lines that are not blank, in {len(bench.files)} modules")
        for state, side, took in bench.rounds(options.rounds):
            found.setdefault((state, side), []).append(took)
    rows = {}
    print("mypy     plain  plugin   ratio    goal   (seconds of processor; wall in brackets)")
    for state, goal in GOALS.items():
        plain, plugin = (
            [statistics.median(x) for x in zip(*found[state, side])] for side in ("plain", "plugin")
        )
        rows[state] = {"plain": plain, "plugin": plugin, "ratio": plugin[0] / plain[0]}
        print(
            f"{state:6} {plain[0]:7.2f} {plugin[0]:7.2f} {plugin[0] / plain[0]:7.2f}"
            f" {goal or '':>7}   [{plain[1]:.2f} {plugin[1]:.2f}]"
        )
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
