"""Joint training of ĉ and û at tuned rates: how T depends on k and d."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lrft import RankOne, Task
from lrft.paper.drawing import power_laws, style
from lrft.paper.experiment import Context, Experiment, Verdict
from lrft.paper.findings import tuned
from lrft.paper.regime import Regime
from lrft.result import exponents

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

SEED = 1400
#: d of the widths, and k of the dimensions.
D, K, WIDE_D = 256, 9, 2048
#: Odd, so that the sum of c is not zero.
WIDTHS, FEWER, WIDE = (5, 9, 17, 33, 65), (5, 17, 65), (17, 65, 257, 1025)
#: Odd squares: |Σc| can be 1.
SQUARES, SQUARE_D = (9, 25, 81, 289), 512
DIMENSIONS, FAR = (64, 512, 4096), (64, 1024, 16_384, 262_144)
#: Longest run in steps per d: what never gets there at the first rate costs all of that.
HORIZON, SLOW_HORIZON = 300.0, 2000.0
_STUDENT = RankOne(train_c=True)


@dataclass(frozen=True)
class Case(Regime):
    """An activation and a regime."""

    delta: float  #: η d at which the search begins at k = 5
    power: float  #: of k, with which that grows
    bound: float  #: the exponent of k printed for a frozen ĉ


CASES = (
    Case("relu", "1", 0.5, 0.0, 3.0),
    Case("sigmoid", "1", 16.0, -0.3, 3.0),
    Case("he2", "1", 0.06, 0.0, 4.0),
    Case("he3", "1", 0.06, 0.0, 4.0),
    Case("relu", "sqrt", 0.25, -1.7, 3.0),
    Case("sigmoid", "sqrt", 8.0, -1.1, 3.0),
    Case("he2", "sqrt", 0.03, -2.2, 4.0),
    Case("he3", "sqrt", 0.012, -1.7, 4.0),
)


class Line(NamedTuple):
    """A case at several k or d."""

    case: Case
    by: str  #: "k" or "d"
    values: tuple[int, ...]
    other: int  #: d of widths, k of dimensions
    instances: int
    threshold: float = 0.9
    one: bool = False  #: c has |Σc| = 1, else signs are drawn
    start: float = 1.0  #: times the δ of the case; less where largest sizes would fail at that

    @property
    def horizon(self) -> float:
        """Longest run in steps per d; He₃ at ξ = √k takes long."""
        return SLOW_HORIZON if self.case.name == "he3 sqrt" else HORIZON

    @property
    def name(self) -> str:
        """Its name in data."""
        return f"{self.label}, {self.by} from {self.values[0]}"

    @property
    def label(self) -> str:
        """Its name in a sentence."""
        total = ", |Σc| = 1" if self.one else ""
        return f"{self.case.label}{total}, overlap {self.threshold:g}"

    def size(self, value: int) -> tuple[int, int]:
        """Return d and k at a value."""
        return (self.other, value) if self.by == "k" else (value, self.other)

    def task(self, value: int, seed: int) -> Task:
        """Draw a task."""
        d, k = self.size(value)
        if not self.one:
            return self.case.task(d, k, seed)
        negative = (k - round(k**0.5)) // 2
        c = np.r_[np.full(negative, -1.0), np.ones(k - negative)] / k**0.5
        return self.case.task(d, k, seed, c=c)


#: Of the sigmoid T grows as |Σc| falls: its median over drawn c is that of a mixture.  With
#: |Σc| = 1 it is in lines of its own.
_COUNTS = {case: 256 if case.name == "he3 sqrt" else 128 for case in CASES}
_SIGMOIDS = tuple(case for case in CASES if case.activation == "sigmoid")
_OTHERS = tuple(case for case in CASES if case.activation != "sigmoid")
#: At ξ = √k 0.99, and 0.9 at large d, want smaller rates than 0.9 at d = 256.
_LOWER = {"1": 1.0, "sqrt": 0.5}
LINES = (
    *(Line(case, "k", WIDTHS, D, count) for case, count in _COUNTS.items()),
    *(Line(case, "k", FEWER, D, 128, 0.99, start=_LOWER[case.regime]) for case in _OTHERS),
    # He₃ at ξ = √k would take a minute a run.
    *(Line(case, "k", WIDE, WIDE_D, 32) for case in _OTHERS if case.name != "he3 sqrt"),
    *(Line(case, "k", SQUARES, SQUARE_D, 128, one=True) for case in _SIGMOIDS),
    *(Line(case, "k", SQUARES[:3], SQUARE_D, 128, 0.99, one=True, start=0.5) for case in _SIGMOIDS),
    *(
        Line(case, "d", FAR, K, 32, start=_LOWER[case.regime])
        if case.name == "relu sqrt"
        else Line(case, "d", DIMENSIONS, K, 128, start=_LOWER[case.regime])
        for case in CASES
    ),
    *(Line(case, "d", DIMENSIONS, K, 128, one=True) for case in _SIGMOIDS),
)
#: What is run in the ambient space as well.
AMBIENT = (("relu sqrt", 65), ("he3 1", 65))


def places(lines: tuple[Line, ...], *, quick: bool = False) -> list[tuned.Place]:
    """Make the places of lines; seeds are those of the place among all."""
    made: list[tuned.Place] = []
    for line in lines:
        for value in line.values[:2] if quick else line.values:
            d, k = line.size(value)
            seed = SEED + 1000 * len(made)
            checked = line == LINES[CASES.index(line.case)] and (line.case.name, k) in AMBIENT
            made.append(
                tuned.Place(
                    {"line": line.name, "value": value},
                    [line.task(value, seed + i) for i in range(8 if quick else line.instances)],
                    _STUDENT,
                    line.start * line.case.delta * (k / WIDTHS[0]) ** line.case.power,
                    seed,
                    20.0 if quick else line.horizon,
                    threshold=line.threshold,
                    ambient=f"{line.case.label}, d = {d}, k = {k}" if checked else "",
                )
            )
    return made


def _run(context: Context) -> xr.Dataset:
    lines = (LINES[0], LINES[-1]) if context.quick else LINES
    made = places(lines, quick=context.quick)
    return tuned.measure(context, made, most=24).assign_attrs(seed=SEED)


def fit(data: xr.Dataset, line: Line) -> tuple[exponents.PowerLaw, str]:
    """Fit T at the best rates against k or d, and say where one is not known."""
    law, where = tuned.fit(data, "value", line=line.name)
    return law, where.replace("value", line.by)


def _here(data: xr.Dataset) -> list[Line]:
    return [line for line in LINES if line.name in data.line.values]


def _draw(data: xr.Dataset) -> list[Figure]:
    figures = []
    pictures = (
        ("k", D, f"neurons $k$, at $d={D}$", WIDTHS),
        ("k", WIDE_D, f"neurons $k$, at $d={WIDE_D}$", WIDE),
        ("k", SQUARE_D, f"neurons $k$, at $d={SQUARE_D}$", SQUARES),
        ("d", K, f"dimension $d$, at $k={K}$", FAR),
    )
    for by, other, text, ticks in pictures:
        lines = [
            line
            for line in _here(data)
            if (line.by, line.other, line.threshold) == (by, other, 0.9)
        ]
        if not lines:
            continue
        figure, axes = style.frame(height=6.2)
        for line in lines:
            law, _ = fit(data, line)
            slope = power_laws.exponent_text(law.exponent)
            total = r", $|\Sigma c| = 1$" if line.one else ""
            power_laws.power_law_points(
                axes,
                law,
                line.case.colour,
                f"{line.case.shown}{total}: slope {slope}",
                marker={"o": "^", "s": "D"}[line.case.marker] if line.one else line.case.marker,
            )
        power_laws.logarithmic(axes, text, "$T$: median steps to overlap 0.9")
        power_laws.whole_ticks(axes, ticks)
        style.legend(axes)
        style.note(figure, "at the best rate of each point; medians over draws, 95 % intervals")
        figures.append(figure)
    return figures


def _judge(data: xr.Dataset) -> list[Verdict]:
    verdicts = []
    for line in _here(data):
        law, where = fit(data, line)
        bound = f"; printed for a frozen ĉ: at most {line.case.bound:g}" if line.by == "k" else ""
        d = np.array([line.size(int(x))[0] for x in law.x])
        at = f"d = {line.other}" if line.by == "k" else f"k = {line.other}"
        verdicts.append(
            tuned.known(
                f"with ĉ trained, at the best rates, the exponent of T in {line.by}, {line.label}, "
                f"{line.by} = {law.x[0]:.0f} to {law.x[-1]:.0f}, {at}",
                law,
                "T/d = " + ", ".join(f"{t:.3g}" for t in law.medians / d) + bound,
                count=tuned.count(data, tuned.points(data, "value", line=line.name)),
                where=where,
            )
        )
    return verdicts + tuned.besides(data)


def _listed(values: tuple[int, ...]) -> str:
    return ", ".join(map(str, values))


EXPERIMENT = Experiment(
    name="joint",
    title="Joint training at tuned rates",
    shows="The theorems freeze ĉ, the simulations train it. How many steps joint training takes as "
    "k and d grow, each point at its best rate, is not in the paper.",
    settings="Orthonormal features, quantised c and ĉ₀, λ = 1, unit neurons, û₀ uniform, Π kept; "
    f"first |<û,u>| at 0.9: k = {_listed(WIDTHS)} at d = {D}; k = {_listed(WIDE)} at d = {WIDE_D}; "
    f"d = {_listed(DIMENSIONS)} at k = {K}, and {_listed(FAR)} for relu at ξ = √k; at 0.99: "
    f"k = {_listed(FEWER)} at d = {D}. Of the sigmoid T grows as |Σc| falls, and the median over "
    "drawn c is that of a mixture: it is measured with |Σc| = 1 too, which odd squares can have "
    f"(k = {_listed(SQUARES)} at d = {SQUARE_D}). He₃ at ξ = √k is not run at large k. "
    "Rates δ = ηd a factor √2 apart, tried at either end until the best (least median with at "
    "least 80 % success; misses infinite) is inside, in resamples too. 32 to 256 instances, each "
    f"with c, ĉ₀, û₀ and samples of its own; every point has seeds of its own (from {SEED}); the "
    "bootstrap takes instances and repeats the choice of the rate.",
    run=_run,
    draw=_draw,
    judge=_judge,
)
