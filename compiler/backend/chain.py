"""Several executables that run in turn as one: what ``segments`` cut a deep program into.

Each step takes its operands from what the steps before gave, and a value is let go of after its
last use. XLA runs in the background, so that a step is only queued here: some 25 us, and 1 us for
each buffer. A part is an executable of its own, found in the cache by its content: a deeper network
of the same layers compiles no layer anew.

Law: a chain is to its caller what one loaded executable of the whole program is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from verax.compiler.backend.pjrt import Buffer
from verax.compiler.ir.program import Program
from verax.compiler.passes.segment import Schedule, Step


class Part(Protocol):
    """What a chain asks of an executable."""

    text: str

    def __call__(self, buffers: Sequence[Buffer]) -> list[Buffer]: ...

    def cost(self) -> Any: ...

    def memory(self) -> Any: ...

    def optimized(self) -> str: ...


class Link(NamedTuple):
    """A step with its executable, and the values that nobody needs after it."""

    run: Part
    step: Step
    done: tuple[int, ...]


class Ran(NamedTuple):
    """The results of a run, which are buffers already."""

    outs: list[Buffer]

    def consume_with_handlers(self, handlers: Sequence[Any]) -> list[Buffer]:
        return self.outs


class Stats(NamedTuple):
    """What a run needs, in bytes, under XLA's names."""

    argument_size_in_bytes: int
    output_size_in_bytes: int
    temp_size_in_bytes: int
    alias_size_in_bytes: int
    generated_code_size_in_bytes: int


class Chain:
    """The steps of a schedule as one executable."""

    def __init__(
        self,
        p: Program,
        schedule: Schedule,
        donate: Sequence[int],
        compiled: Callable[[Program, tuple[int, ...]], Part],
    ) -> None:
        """Compile the parts: ``compiled(part, donated inputs)`` gives the executable of one."""
        self.program, self.outs = p, schedule.outs
        self.links: list[Link] = []
        last = {x: k for k, step in enumerate(schedule.steps) for x in step.operands}
        for k, step in enumerate(schedule.steps):
            over = {x for x in step.operands if last[x] == k} - set(schedule.outs)
            given = tuple([i for i, x in enumerate(step.operands) if x in over and x in donate])
            unused = [y for y in step.results if y not in last and y not in schedule.outs]
            self.links.append(Link(compiled(step.part, given), step, (*sorted(over), *unused)))

    def execute_sharded(self, buffers: Sequence[Buffer]) -> Ran:
        """Queue all steps."""
        env = dict(enumerate(buffers))
        for run, step, done in self.links:
            env.update(zip(step.results, run([env[x] for x in step.operands])))
            for x in done:
                del env[x]
        return Ran([env[o] for o in self.outs])

    def cost_analysis(self) -> dict[str, float]:
        """Operations and traffic of all steps."""
        costs = [link.run.cost() for link in self.links]
        return {
            "flops": sum([c.flops for c in costs]),
            "bytes accessed": sum([c.bytes_accessed for c in costs]),
        }

    def get_compiled_memory_stats(self) -> Stats:
        """The most that lies between the steps and in one of them, beside arguments and results."""
        own = set(range(self.program.n_in)) | set(self.outs)
        sizes: dict[int, int] = {}
        live = most = code = 0
        seen: set[int] = set()
        for run, step, done in self.links:
            for y, t in zip(step.results, step.part.out_types):
                sizes[y] = 0 if y in own else t.nbytes
                live += sizes[y]
            m = run.memory()
            most = max(most, live + m.temporaries)
            live -= sum([sizes.get(x, 0) for x in done])
            if id(run) not in seen:
                seen.add(id(run))
                code += m.code
        p = self.program
        arguments, outputs = (sum([t.nbytes for t in ts]) for ts in (p.in_types, p.out_types))
        return Stats(arguments, outputs, most, 0, code)

    @property
    def text(self) -> str:
        """The StableHLO of each part, once."""
        return "\n".join(dict.fromkeys([link.run.text for link in self.links]))

    def get_hlo_text(self) -> str:
        """The optimized text of each part, once."""
        return "\n".join(dict.fromkeys([link.run.optimized() for link in self.links]))
