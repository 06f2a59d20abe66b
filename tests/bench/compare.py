"""Run both sides, alternating, and print one table of medians, ratios and goals."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from tests.bench.workloads import GROUPS

ROOT = Path(__file__).resolve().parents[2]
GOALS = {
    "import": 0.4,
    "staging": 0.25,
    "gradient staging": 0.25,
    "lowering": 0.25,
    "dispatch": 1.2,
    "eager op": 1.2,
    "un-jitted grad": 0.03,
    "re-created jitted lambda": 0.01,
    "4-layer transformer: step": 1.0,
    "4-layer transformer: temporaries": 0.8,
    "12-layer transformer: to the first step": 0.3,
    "12-layer transformer: step": 0.8,
    "12-layer transformer: temporaries": 0.8,
    "48-layer transformer: to the first step": 0.06,
    "48-layer transformer: step": 0.2,
    "48-layer transformer: temporaries": 0.8,
    "uniform of 1e7": 0.4,
}


def goal(row: str) -> float | None:
    """The goal for the ratio of this row; the absolute rows of the stages have none."""
    if row.startswith(("staging", "gradient", "lowering")) and "per equation" not in row:
        return None
    found = [name for name in GOALS if row.startswith(name)]
    return GOALS[found[0]] if found else None


def run(side: str, python: str, group: str) -> dict[str, float]:
    """The rows of one side for one group, in a process of its own on one core."""
    env = dict(os.environ, OMP_NUM_THREADS="1", JAX_PLATFORMS="cpu", PYTHONWARNINGS="ignore")
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # installed packages have their bytecode cached
    pin = ["taskset", "-c", "1"] if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else []
    out = subprocess.run(
        [*pin, python, "-m", f"tests.bench.side_{side}", group],
        capture_output=True, text=True, env=env, cwd=ROOT, timeout=900, check=False,
    )  # fmt: skip
    if out.returncode:
        raise SystemExit(f"{side} failed on {group}:\n{out.stderr[-3000:]}")
    rows: dict[str, float] = json.loads(out.stdout)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--only", nargs="*", default=[g for g in GROUPS if g != "step48"], choices=list(GROUPS),
        help="step48 takes jax two minutes and has to be named",
    )  # fmt: skip
    parser.add_argument("--jax-python", default=sys.executable, help="an interpreter with jax")
    parser.add_argument("--json", type=Path, help="also write the medians here")
    options = parser.parse_args()
    times: dict[str, dict[str, list[float]]] = {}
    sides = (("verax", sys.executable), ("jax", options.jax_python))
    for side, python in sides:
        run(side, python, "import")  # warms the file system and the bytecode
    for _ in range(options.rounds):
        for group in options.only:
            for side, python in sides:
                for row, value in run(side, python, group).items():
                    times.setdefault(row, {}).setdefault(side, []).append(value)
    print(f"{'':58} {'verax':>10} {'jax':>10} {'ratio':>7} {'goal':>6}")
    medians = {}
    for row, found in times.items():
        a, b = (statistics.median(found.get(side, [float("nan")])) for side, _ in sides)
        medians[row] = {"verax": a, "jax": b, "ratio": a / b}
        aim = goal(row)
        mark = "" if aim is None else f"{aim:6.2f} {'reached' if a / b <= aim else 'missed'}"
        print(f"{row:58} {a:10.2f} {b:10.2f} {a / b:7.3f} {mark}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(medians, indent=1))


if __name__ == "__main__":
    main()
