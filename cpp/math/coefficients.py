"""How the coefficients in this folder and in ../activation/ were found: Remez' exchange.

Run it (mpmath needed, about ten seconds) and it prints every table, with the largest
error of the exact approximation before its coefficients are rounded to doubles.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath
from mpmath import mpf

mpmath.mp.dps = 60
Function = Callable[[mpf], mpf]


def alternation(error: Function, count: int, grid: int) -> tuple[list[mpf], mpf]:
    """Points of [-1, 1] where the error is extreme with alternating sign, and its maximum."""
    t = [-mpmath.cos(mpmath.pi * i / grid) for i in range(grid + 1)]
    e = [error(x) for x in t]
    runs = [[0]]
    for i in range(1, grid + 1):
        if mpmath.sign(e[i]) == mpmath.sign(e[runs[-1][-1]]):
            runs[-1].append(i)
        else:
            runs.append([i])
    best = [max(run, key=lambda i: abs(e[i])) for run in runs]
    while len(best) > count:
        best = best[1:] if abs(e[best[0]]) < abs(e[best[-1]]) else best[:-1]
    return [t[i] for i in best], max(abs(x) for x in e)


def polynomial(
    f: Function, weight: Function, degree: int, low: mpf, high: mpf
) -> tuple[list[mpf], mpf]:
    """Return the P of this degree with the smallest max |P - f| weight on [low, high]."""
    count = degree + 2

    def x_of(t: mpf) -> mpf:
        return (low + high) / 2 + (high - low) / 2 * t

    t = [-mpmath.cos(mpmath.pi * (2 * i + 1) / (2 * count)) for i in range(count)]
    for _ in range(20):
        x = [x_of(s) for s in t]
        a = mpmath.matrix(count, count)
        for i in range(count):
            for j in range(degree + 1):
                a[i, j] = x[i] ** j
            a[i, degree + 1] = (-1) ** i / weight(x[i])
        solution = mpmath.lu_solve(a, mpmath.matrix([f(s) for s in x]))
        p, level = list(solution[: degree + 1]), abs(solution[degree + 1])

        def error(t: mpf, p: list[mpf] = p) -> mpf:
            return (mpmath.polyval(p[::-1], x_of(t)) - f(x_of(t))) * weight(x_of(t))

        t, largest = alternation(error, count, 301)
        if len(t) < count or largest < level * mpf("1.02"):
            break
    return p, largest


def rational(f: Function, n: int, m: int, x_of: Function) -> tuple[list[mpf], list[mpf], mpf]:
    """P_n / Q_m (Q_m(0) = 1) of nearly smallest relative error on x_of([-1, 1]).

    The exchange is stopped when it no longer improves.
    """
    count = n + m + 2
    t = [-mpmath.cos(mpmath.pi * i / (count - 1)) for i in range(count)]
    best: tuple[list[mpf], list[mpf], mpf] = ([], [], mpf(1))
    level = mpf(0)
    while len(t) == count:
        x = [x_of(s) for s in t]
        y = [f(s) for s in x]
        for _ in range(12):  # P - f (1 +- level) Q = 0 is linear once the level is known
            a = mpmath.matrix(count, count)
            for i in range(count):
                sign = (-1) ** i
                for j in range(n + 1):
                    a[i, j] = x[i] ** j
                for j in range(1, m + 1):
                    a[i, n + j] = -y[i] * (1 + sign * level) * x[i] ** j
                a[i, count - 1] = -y[i] * sign
            solution = mpmath.lu_solve(a, mpmath.matrix(y))
            change, level = solution[count - 1] - level, solution[count - 1]
            if abs(change) <= abs(level) * mpf(10) ** -12:
                break
        p, q = list(solution[: n + 1]), [mpf(1), *solution[n + 1 : n + m + 1]]

        def error(t: mpf, p: list[mpf] = p, q: list[mpf] = q) -> mpf:
            s = x_of(t)
            return mpmath.polyval(p[::-1], s) / mpmath.polyval(q[::-1], s) / f(s) - 1

        t, largest = alternation(error, count, 3000)
        if largest >= best[2]:
            break
        best = (p, q, largest)
    return best


def show(name: str, coefficients: list[mpf], error: mpf) -> None:
    """Print coefficients as they stand in the headers."""
    print(f"{name}: error {mpmath.nstr(error, 2)}")
    for c in coefficients:
        print(f"    {float(c)!r},")


def exponential() -> None:
    """Fit (e^r - 1 - r) / r^2 for exp.hpp."""
    half = mpmath.log(2) / 2 * mpf("1.0001")

    def q(r: mpf) -> mpf:  # (e^r - 1 - r) / r^2
        return mpmath.nsum(lambda k: r**k / mpmath.factorial(k + 2), [0, mpmath.inf])

    p, error = polynomial(q, lambda r: abs(r) + mpf("1e-3"), 9, -half, half)
    show("exp.hpp q", p, error)


def logarithm() -> None:
    """Fit the remainder of 2 atanh s for log1p.hpp."""
    edge = mpf("1.001") * (3 - 2 * mpmath.sqrt(2)) ** 2

    def r(z: mpf) -> mpf:  # (2 atanh s - 2 s) / s^3, s = sqrt z
        if z < mpf("1e-4"):
            return sum(2 * z ** (k - 1) / mpf(2 * k + 1) for k in range(1, 25))
        s = mpmath.sqrt(z)
        return (2 * mpmath.atanh(s) - 2 * s) / s**3

    p, error = polynomial(r, lambda z: 1 / r(z), 7, mpf(0), edge)
    show("log1p.hpp r", p, error)


def logarithm_minus_cubic() -> None:
    """Fit the series of log(1 + w) from w^4 on for log1p.hpp."""

    def c(w: mpf) -> mpf:
        if abs(w) < mpf("1e-6"):
            return sum((-1) ** (k - 1) * w ** (k - 4) / mpf(k) for k in range(4, 16))
        return (mpmath.log1p(w) - w + w * w / 2 - w**3 / 3) / w**4

    p, error = polynomial(c, lambda w: 1 / abs(c(w)), 16, mpf("-0.25"), mpf("0.25"))
    show("log1p.hpp c", p, error)


def log_table() -> tuple[list[float], list[float]]:
    """Choose normal.hpp's c_j and constants 2 log c_j - (what rounding 2 log 2 loses).

    The constants are exact to 1e-18: the c_j, of 21 bits, are chosen for it.
    """
    two_log_2 = mpf(float(2 * mpmath.log(2)))
    c, constant = [], []
    for j in range(15):
        middle = int(2**20 / (1 + (j + mpf("0.5")) / 16))
        lost = {}
        for i in range(middle - 200, middle + 200):
            exact = 2 * mpmath.log(2 * mpf(i) / 2**20) - two_log_2
            lost[i] = abs(mpf(float(exact)) - exact)
        best = min(lost, key=lambda i: lost[i])
        c.append(best / 2**20)
        constant.append(float(2 * mpmath.log(2 * mpf(best) / 2**20) - two_log_2))
    return [*c, 0.5], [*constant, -float(two_log_2)]


def box_muller() -> None:
    """Fit the logarithm of normal.hpp on its table, and the sine and cosine of eighths of a turn.

    The constant terms of logarithm and cosine are theirs, -2 and 1; what is shown comes after.
    """
    c, constant = log_table()
    print("normal.hpp c:", *(x.hex() for x in c))
    print("normal.hpp constant:", *constant)
    low = [(1 + mpf(j) / 16) * c[j] - 1 for j in range(16)]
    high = [(1 + mpf(j + 1) / 16) * c[j] - 1 for j in range(16)]

    def rest(r: mpf) -> mpf:  # (2 - 2 log(1 + r) / r) / r
        return (2 - 2 * mpmath.log1p(r) / r) / r if abs(r) > mpf("1e-12") else 1 - 2 * r / 3

    def weight(r: mpf) -> mpf:  # r^2 over the smallest whole logarithm that r occurs in
        whole = [-2 * mpmath.log((1 + r) / c[j] / 2) for j in range(15) if low[j] <= r <= high[j]]
        if low[15] <= r < 0:
            whole.append(-2 * mpmath.log1p(r))
        return r * r / min(whole) if whole else mpf(0)

    p, error = polynomial(rest, weight, 6, min(low), max(high))
    show("normal.hpp rest", p, error)

    def sine(y: mpf) -> mpf:  # sin(pi t / 4) / t, t = sqrt y
        t = mpmath.sqrt(y)
        return mpmath.sin(mpmath.pi * t / 4) / t if y > 0 else mpmath.pi / 4

    p, error = polynomial(sine, lambda y: 1 / sine(y), 6, mpf(0), mpf(1))
    show("normal.hpp sine_of", p, error)

    def cosine(y: mpf) -> mpf:  # (cos(pi t / 4) - 1) / y, t = sqrt y
        if y < mpf("1e-20"):
            return -((mpmath.pi / 4) ** 2) / 2
        return (mpmath.cos(mpmath.pi * mpmath.sqrt(y) / 4) - 1) / y

    p, error = polynomial(cosine, lambda y: y / (1 + y * cosine(y)), 5, mpf(0), mpf(1))
    show("normal.hpp cosine_of", p, error)


def error_function() -> None:
    """Fit erf(z / sqrt 2) / z for erf.hpp."""

    def c(y: mpf) -> mpf:  # erf(z / sqrt 2) / z, z = sqrt y
        if y == 0:
            return mpmath.sqrt(2 / mpmath.pi)
        return mpmath.erf(mpmath.sqrt(y / 2)) / mpmath.sqrt(y)

    p, error = polynomial(c, lambda y: 1 / c(y), 11, mpf(0), mpf("1.25") ** 2)
    show("erf.hpp c", p, error)


def gaussian_tail() -> None:
    """Fit the scaled tail of the normal law for gaussian.hpp."""

    def ratio(a: mpf) -> mpf:
        return mpmath.exp(a * a / 2) * mpmath.erfc(a / mpmath.sqrt(2)) / 2

    top = mpf(37) / 43  # (40 - 3) / (40 + 3)

    def a_of(t: mpf) -> mpf:  # [-1, 1] to [0, 40], dense around 3
        v = -1 + (t + 1) / 2 * (top + 1)
        return 3 * (1 + v) / (1 - v)

    p, q, error = rational(ratio, 10, 11, a_of)
    show("gaussian.hpp top", p, error)
    show("gaussian.hpp bottom", q, error)


if __name__ == "__main__":
    exponential()
    logarithm()
    logarithm_minus_cubic()
    box_muller()
    error_function()
    gaussian_tail()
