"""Every case under every law."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.laws.cases_cumulative import CASES as CUMULATIVE
from tests.laws.cases_fft import CASES as FFT
from tests.laws.cases_linalg import CASES as LINALG
from tests.laws.cases_order import CASES as ORDER
from tests.laws.cases_pointwise import CASES as POINTWISE
from tests.laws.cases_spectral import CASES as SPECTRAL
from tests.laws.cases_structural import CASES as STRUCTURAL
from tests.laws.cases_windows import CASES as WINDOWS
from tests.laws.harness import Case, Claim, Limit, Sample, samples, settle
from tests.laws.laws import LAWS, Law
from verax.compiler.backend import backend
from verax.compiler.ir.dtypes import ALL

CASES: tuple[Case, ...] = (
    *POINTWISE,
    *STRUCTURAL,
    *FFT,
    *CUMULATIVE,
    *ORDER,
    *LINALG,
    *SPECTRAL,
    *WINDOWS,
)
EXAMPLES = max(2, settings().max_examples // 6)  # each is a batch of samples
PHASES = (Phase.generate, Phase.shrink)


def known(case: Case, law: Law, s: Sample) -> bool:
    return any(limit.law == law.name and limit.when(s) for limit in case.known)


def claims(case: Case, law: Law, draw: Callable[[Any], Any]) -> list[Claim]:
    """The claims of one batch of samples."""
    out: list[Claim] = []
    first = draw(st.integers(0, len(ALL)))
    for k in range(max(1, law.batch // case.weight)):
        s = samples(case, law.style, draw, law.samples, first + k)
        if not known(case, law, s[0]):
            out += law.state(case, s, draw)
    return out


def compiled_as_for_users(k: int, case: Case, law: Law) -> bool:
    """Every eighth case, and what XLA's plain code gets wrong: bool and 4-bit operands."""
    return law.name == "reference" and (k % 8 == 0 or case.name in ("pow", "clamp"))


PAIRS = [
    pytest.param(
        case,
        law,
        id=f"{law.name}-{case.name}",
        marks=pytest.mark.optimized if compiled_as_for_users(k, case, law) else (),
    )
    for law in LAWS
    for k, case in enumerate(CASES)
    if law.applies(case)
]


@pytest.mark.parametrize(("case", "law"), PAIRS)
def test_law(case: Case, law: Law) -> None:
    examples = max(1, EXAMPLES // case.weight) if law.dear else EXAMPLES

    @settings(max_examples=examples, phases=PHASES)
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        if found := claims(case, law, data.draw):
            settle(found)

    holds()
    backend().forget()  # no other test calls these programs


def overcome(case: Case, law: Law, limit: Limit) -> bool:
    """Whether the law holds of all samples that the limit excuses."""
    failed: list[Exception] = []

    @settings(max_examples=5 * EXAMPLES)
    @given(st.data())
    def watch(data: st.DataObject) -> None:
        s = samples(case, law.style, data.draw, law.samples)
        if limit.when(s[0]) and not failed:
            try:
                settle(law.state(case, s, data.draw))
            except Exception as error:  # whatever it is: the law does not hold
                failed.append(error)

    watch()
    return not failed


def test_limits_are_real() -> None:
    """A limit that is overcome must be taken out of the table."""
    of = {law.name: law for law in LAWS}
    named = [(case, of[limit.law], limit) for case in CASES for limit in case.known]
    assert [(c.name, k.reason) for c, law, k in named if overcome(c, law, k)] == []


def test_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
