"""Train a typed, sharded transformer on real text, on four virtual devices of one machine.

    python examples/train_lm.py                       # the topics of Python's own documentation
    python examples/train_lm.py --text FILE --mesh 4x1
    python examples/train_lm.py --resume              # go on where the last run stopped

The batch is cut over the mesh axis ``data`` and the weights over ``model``. The last line is for
scripts. Ctrl-C saves a checkpoint and stops.
"""

from __future__ import annotations

import argparse
import math
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics
from types import FrameType
from typing import Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

import verax as vx
from verax import F32, I32, Mul, P

VOCAB = 256  # bytes
Vocab: TypeAlias = Literal[256]
Tokens: TypeAlias = npt.NDArray[np.int32]
B = TypeVar("B", bound=vx.AnyDim)
T = TypeVar("T", bound=vx.AnyDim)
Tree = TypeVar("Tree")


class Batch(vx.Dim):
    """Sequences that are trained on together."""


class Time(vx.Dim):
    """Bytes of a sequence."""


class Length(vx.Dim):
    """Bytes that are generated."""


class Width(vx.Dim):
    """Features of the residual stream."""


class Heads(vx.Dim):
    """Heads of the attention."""


class HeadSize(vx.Dim):
    """Features of a head."""


# the model ------------------------------------------------------------------


@vx.struct
class Config:
    """The sizes of the model, and how it is trained."""

    width: int = vx.field(static=True, default=128)
    heads: int = vx.field(static=True, default=4)
    layers: int = vx.field(static=True, default=4)
    context: int = vx.field(static=True, default=128)
    batch: int = vx.field(static=True, default=32)
    dropout: float = vx.field(static=True, default=0.05)
    rate: float = vx.field(static=True, default=3e-3)
    steps: int = vx.field(static=True, default=500)
    seed: int = vx.field(static=True, default=0)


@vx.struct
class Block:
    """Attention and an MLP, each on a normalized copy of the residual stream."""

    norm1: vx.nn.RMSNorm[Width]
    attention: vx.nn.MultiHeadAttention[Width, Heads, HeadSize]
    norm2: vx.nn.RMSNorm[Width]
    mlp: vx.nn.MLP[Width, Mul[Literal[4], Width]]

    @staticmethod
    def init(config: Config, *, key: vx.random.Key) -> Block:
        first, second = vx.random.split(key)
        gain = 1 / math.sqrt(2 * config.layers)
        return Block(
            vx.nn.RMSNorm.init(config.width),
            vx.nn.MultiHeadAttention.init(config.width, config.heads, key=first, gain=gain),
            vx.nn.RMSNorm.init(config.width),
            vx.nn.MLP.init(config.width, 4 * config.width, key=second, gain=gain, bias=False),
        )

    def __call__(
        self, x: F32[B, T, Width], rate: float, key: vx.random.Key | None
    ) -> F32[B, T, Width]:
        first, second = (None, None) if key is None else vx.random.split(key)
        mask = vx.nn.causal_mask(x.shape[1])
        x = x + vx.nn.dropout(self.attention(self.norm1(x), mask), rate, key=first)
        return x + vx.nn.dropout(self.mlp(self.norm2(x)), rate, key=second)


@vx.struct
class Transformer:
    """Bytes in, scores of the next byte out."""

    embed: vx.nn.Embedding[Vocab, Width]
    blocks: tuple[Block, ...]
    norm: vx.nn.RMSNorm[Width]
    head: vx.nn.Linear[Width, Vocab]

    @staticmethod
    def init(config: Config, *, key: vx.random.Key) -> Transformer:
        embed, head, *blocks = vx.random.split(key, config.layers + 2)
        return Transformer(
            vx.nn.Embedding.init(VOCAB, config.width, key=embed, scale=1.0),
            tuple(Block.init(config, key=each) for each in blocks),
            vx.nn.RMSNorm.init(config.width),
            vx.nn.Linear.init(config.width, VOCAB, key=head, bias=False),
        )

    def __call__(
        self, tokens: I32[B, T], rate: float = 0.0, key: vx.random.Key | None = None
    ) -> F32[B, T, Vocab]:
        keys = [None] * len(self.blocks) if key is None else vx.random.split(key, len(self.blocks))
        x = self.embed(tokens)
        for block, each in zip(self.blocks, keys, strict=True):
            x = block(x, rate, each)
        return self.head(self.norm(x))


RULES: list[tuple[str, P]] = [  # the first name that a weight's path contains says how it is cut
    (".attention.out", P("model")),  # heads
    (".attention.", P(None, "model")),
    (".mlp.up.", P(None, "model")),  # hidden units
    (".mlp.down.", P("model")),
    (".head.", P(None, "model")),  # the bytes that are scored
    ("", P()),  # all else lies whole on every device
]


def place(values: Tree, mesh: vx.Mesh) -> Tree:
    """Lay parameters, or an optimiser's state of the same shape, on the mesh."""

    def lay(path: vx.tree.Path, x: vx.AnyArray) -> vx.AnyArray:
        spec = next(spec for name, spec in RULES if name in str(path))
        return vx.shard(x, mesh, spec if x.ndim else P())

    placed: Tree = vx.tree.map_with_path(lay, values)
    return placed


# training ----------------------------------------------------------------------


@vx.struct
class State:
    """What a checkpoint holds."""

    model: Transformer
    optimizer: vx.optim.State[Transformer]
    step: I32[()]


def make_optimizer(config: Config) -> vx.optim.Transform:
    rate = vx.optim.cosine(
        config.rate, warmup=min(50, config.steps // 4), steps=config.steps, floor=config.rate / 20
    )
    decays = lambda params: vx.tree.map(lambda p: p.ndim > 1, params)  # noqa: E731
    return vx.optim.chain(
        vx.optim.clip_by_global_norm(1.0),
        vx.optim.adamw(rate, b2=0.98, weight_decay=0.05, mask=decays),
    )


def init_state(config: Config, mesh: vx.Mesh) -> State:
    model = vx.jit(lambda key: Transformer.init(config, key=key))(vx.random.key(config.seed))
    optimizer = make_optimizer(config).init(model)
    return State(place(model, mesh), place(optimizer, mesh), vx.asarray(0))


def loss_of(
    model: Transformer, tokens: I32[B, T], rate: float, key: vx.random.Key | None
) -> F32[()]:
    """The mean cross entropy of each byte after the first, in nats."""
    scores = model(tokens[:, :-1], rate, key)
    return vx.mean(vx.nn.cross_entropy(scores, tokens[:, 1:]))


Step: TypeAlias = vx.Jit[[State, I32[Batch, Time], vx.random.Key], tuple[State, F32[()]]]


def make_step(config: Config) -> Step:
    """``step(state, tokens, key) -> (state, loss)``; the state's buffers are taken over."""
    optimizer = make_optimizer(config)

    @vx.jit(donate_argnums=0)
    def step(state: State, tokens: I32[Batch, Time], key: vx.random.Key) -> tuple[State, F32[()]]:
        loss, grads = vx.value_and_grad(loss_of)(state.model, tokens, config.dropout, key)
        updates, memory = optimizer.update(grads, state.optimizer, state.model)
        model = vx.optim.apply_updates(state.model, updates)
        return State(model, memory, state.step + 1), loss

    return step


@vx.jit
def evaluate(model: Transformer, tokens: I32[Batch, Time]) -> F32[()]:
    return loss_of(model, tokens, 0.0, None)


# text --------------------------------------------------------------------------


def read_text(path: str | None) -> bytes:
    """The text to train on: a file, or the topics of Python's own documentation."""
    if path is None:
        return "\n\n".join(topics[name] for name in sorted(topics)).encode()
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise SystemExit(f"cannot read the text {path}: {error.strerror or error}") from None
    if not data.strip():
        raise SystemExit(f"the text {path} is empty: give a file with some text in it")
    return data


def split_text(data: bytes, context: int) -> tuple[Tokens, Tokens]:
    """Nine tenths to train on, the last tenth to validate on."""
    tokens = np.frombuffer(data, np.uint8).astype(np.int32)
    cut = len(tokens) * 9 // 10
    if len(tokens) - cut <= context + 1:
        raise SystemExit(
            f"the text has {len(tokens)} bytes, which is too short for a context of {context}: "
            f"give at least {10 * (context + 2)} bytes, or a smaller --context"
        )
    return tokens[:cut], tokens[cut:]


def entropies(tokens: Tokens) -> tuple[float, float]:
    """The unigram and the bigram entropy of a text, in bits per character."""
    pairs = np.zeros((VOCAB, VOCAB))
    np.add.at(pairs, (tokens[:-1], tokens[1:]), 1)
    joint = pairs / pairs.sum()
    first = joint.sum(1)

    def entropy(p: npt.NDArray[np.float64]) -> float:
        p = p[p > 0]
        return float(-(p * np.log2(p)).sum())

    return entropy(first), entropy(joint.ravel()) - entropy(first)


def batch_at(tokens: Tokens, config: Config, step: int) -> Tokens:
    """The batch of a step: it depends on the seed and the step only, so that a run can go on."""
    starts = np.random.default_rng((config.seed, step)).integers(
        0, len(tokens) - config.context - 1, config.batch
    )
    rows: Tokens = tokens[starts[:, None] + np.arange(config.context + 1)]
    return rows


def validation_batches(tokens: Tokens, config: Config) -> Iterator[Tokens]:
    """The validation text cut into windows; what does not fill a batch is left out."""
    size = config.context
    rows = (len(tokens) - 1) // size
    windows = tokens[: rows * size + 1]
    all_rows = np.stack([windows[i * size : i * size + size + 1] for i in range(rows)])
    if rows < config.batch:
        all_rows = np.resize(all_rows, (config.batch, size + 1))
    for i in range(len(all_rows) // config.batch):
        yield all_rows[i * config.batch : (i + 1) * config.batch]


def validate(state: State, tokens: Tokens, config: Config, mesh: vx.Mesh) -> float:
    """Bits per character on the validation text."""
    losses = [
        float(evaluate(state.model, vx.shard(vx.asarray(batch), mesh, P("data"))))
        for batch in validation_batches(tokens, config)
    ]
    return sum(losses) / len(losses) / math.log(2)


def generate(model: Transformer, prompt: bytes, length: int, config: Config) -> str:
    """Continue the prompt byte by byte."""
    start = np.full(config.context, ord("\n"), np.int32)
    start[config.context - len(prompt) :] = np.frombuffer(prompt[-config.context :], np.uint8)

    @vx.jit
    def run(
        model: Transformer, window: I32[Time], keys: vx.random.Key
    ) -> tuple[I32[Time], I32[Length]]:
        def one(window: I32[Time], key: vx.random.Key) -> tuple[I32[Time], I32[()]]:
            scores = model(window[None])[0, -1]
            byte = vx.random.categorical(key, scores / 0.8)
            return vx.concat([window[1:], byte[None]]), byte

        return vx.scan(one, window, keys)

    keys = vx.random.split(vx.random.key(config.seed + 1), length)
    _, out = run(model, vx.asarray(start), keys)
    return (prompt + bytes(out.numpy().astype(np.uint8))).decode(errors="replace")


# the run -----------------------------------------------------------------------


class Interrupt:
    """Ctrl-C asks the loop to stop after the step; a second one stops at once."""

    def __init__(self) -> None:
        self.asked = False
        self.before = signal.signal(signal.SIGINT, self.handle)

    def handle(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self.before)


class Progress:
    """One line that is rewritten on a terminal, and a line every so often elsewhere."""

    def __init__(self, first: int, steps: int, tokens_per_step: int) -> None:
        self.first, self.steps, self.tokens = first, steps, tokens_per_step
        self.began = time.perf_counter()
        self.live = sys.stdout.isatty()

    def show(self, step: int, loss: float) -> None:
        done, seconds = step - self.first, time.perf_counter() - self.began
        rate = done * self.tokens / seconds
        left = seconds / done * (self.steps - step)
        filled = 24 * step // self.steps
        bar = "█" * filled + "░" * (24 - filled)
        line = (
            f"{bar} {step:>5}/{self.steps}  loss {loss / math.log(2):.3f} bits"
            f"  {rate:,.0f} tokens/s  ETA {int(left) // 60}:{int(left) % 60:02d}"
        )
        end = "" if self.live and step < self.steps else "\n"
        print(f"\r{line}\033[K" if self.live else line, end=end, flush=True)


def plot(path: Path, steps: list[int], losses: list[float], lines: dict[str, float]) -> None:
    """The loss curve as a PNG."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no loss curve: pip install 'verax[examples]' brings matplotlib")
        return
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(steps, np.array(losses) / math.log(2), linewidth=1, label="training loss")
    for (name, value), style in zip(lines.items(), ("--", ":", "-."), strict=False):
        axes.axhline(value, linestyle=style, color="black", linewidth=1, label=name)
    axes.set_xlabel("step")
    axes.set_ylabel("bits per character")
    axes.legend()
    figure.savefig(path, dpi=120)
    print(f"loss curve: {path}")


def parse_mesh(text: str) -> vx.Mesh:
    """``2x2`` is data=2, model=2."""
    try:
        data, model = (int(n) for n in text.lower().split("x"))
    except ValueError:
        raise SystemExit(f"--mesh takes DATAxMODEL such as 2x2, got {text!r}") from None
    return vx.Mesh(data=data, model=model)


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    defaults = Config()
    parser.add_argument("--text", help="a text file (default: Python's documentation topics)")
    parser.add_argument("--mesh", default="2x2", help="DATAxMODEL devices (default 2x2)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="where results go")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/lm.ckpt")
    for name in ("steps", "batch", "context", "width", "layers", "heads", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(defaults, name))
    for name in ("rate", "dropout"):
        parser.add_argument(f"--{name}", type=float, default=getattr(defaults, name))
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    began = time.perf_counter()
    options = arguments(argv)
    names = [field for field in vars(options) if hasattr(Config(), field)]
    config = Config(**{name: getattr(options, name) for name in names})
    mesh = parse_mesh(options.mesh)
    train, valid = split_text(read_text(options.text), config.context)
    unigram, bigram = entropies(valid)
    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint = options.out / "lm.ckpt"

    state = init_state(config, mesh)
    if options.resume:
        state = vx.load(checkpoint, like=state)
    first = int(state.step)
    count = sum(leaf.size for leaf in vx.tree.leaves(state.model))
    print(f"{len(train):,} + {len(valid):,} bytes, {count:,} parameters, {mesh}")
    if first >= config.steps:
        raise SystemExit(f"{checkpoint} has done {first} steps already: give more --steps")

    step = make_step(config)
    key = vx.random.key(config.seed + 2)
    steps, losses = list[int](), list[float]()
    interrupt, progress = Interrupt(), None
    for i in range(first, config.steps):
        tokens = vx.shard(vx.asarray(batch_at(train, config, i)), mesh, P("data"))
        if progress is None:
            compiled = step.compile(state, tokens, key)
            print(f"compiled in {time.perf_counter() - began:.1f} s; communication of one step:")
            print(compiled.comm)
            progress = Progress(first, config.steps, config.batch * config.context)
        state, loss = step(state, tokens, vx.random.fold_in(key, i))
        steps.append(i + 1)
        losses.append(float(loss))
        if progress.live or (i + 1) % 50 == 0 or i + 1 == config.steps:
            progress.show(i + 1, losses[-1])
        if interrupt.asked:
            break

    vx.save(checkpoint, state, meta={"step": int(state.step), "mesh": options.mesh})
    print(f"\ncheckpoint: {checkpoint}")
    if interrupt.asked:
        print(f"stopped after step {int(state.step)}; --resume goes on from there")
        return 130
    bits = validate(state, valid, config, mesh)
    plot(
        options.out / "loss.png", steps, losses,
        {"validation": bits, "bigram entropy": bigram, "unigram entropy": unigram},
    )  # fmt: skip
    print("\n" + generate(state.model, b"The ", 200, config) + "\n")
    print(
        f"final: val_bits_per_char={bits:.3f} bigram={bigram:.3f} unigram={unigram:.3f} "
        f"mesh={options.mesh} steps={config.steps} seconds={time.perf_counter() - began:.0f}"
    )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except vx.VeraxError as error:
        sys.exit(str(error))
