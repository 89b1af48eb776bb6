"""Where the paper is silent: the four measurements of claim 7, as jobs and what they give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrft import LoRA, RankOne, Task, Training, theory
from lrft.paper import best_rate
from lrft.paper.claims import claim1
from lrft.paper.jobs import Job, first_hits, jobs_to

if TYPE_CHECKING:
    pass

Floats = NDArray[np.float64]

SEED = 700
K = 8

# ---- the transition in ξ -----------------------------------------------------------------------

STRENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # ξ / √k
#: (d, k) and replicas: d at the first k, then k at one d.
SIZES = {
    (64, K): 128,
    (128, K): 128,
    (256, K): 48,
    (512, K): 24,
    (128, 2): 128,
    (128, 4): 128,
    (128, 16): 128,
    (128, 32): 128,
}


def transition_task(d: int, k: int, strength: float) -> Task:
    """He₃ (ℓ* = 3), ĉ = c: h(0) ≠ 0 for every ξ, but it falls as ξ grows.

    c = 1/√k, so that the limit of large ξ is the single-index model He₃(⟨u,x⟩); where c has as
    many negative entries as positive ones, that limit vanishes.  |Σc| = √k.
    """
    return Task.sample(
        d=d,
        k=k,
        xi=strength * k**0.5,
        activation="he3",
        features="orthonormal",
        c=np.ones(k) / np.sqrt(k),
        lam=k**-0.5,
        normalization="unit",
        seed=0,
    )


def transition_jobs(quick: bool) -> list[Job]:
    """Jobs over sizes and, within them, strengths."""
    student = RankOne(c_init="teacher", u_init="favourable")
    jobs = []
    for i, ((d, k), n) in enumerate(SIZES.items()):
        for j, strength in enumerate(STRENGTHS):
            if quick and (d > 128 or k > K or j > 1):
                continue
            training = Training(
                student=student,
                lr="auto",
                steps=600 * d**2,
                stop_at=0.5,
                thresholds=(0.5,),
                record=2,
            )
            task = transition_task(d, k, strength)
            seed = SEED + 10 * i + j
            expected = float(d) * min(15 * strength**3, 15 * d)
            jobs.append(Job(task, training, 8 if quick else n, seed, expected=expected))
    return jobs


# ---- rank --------------------------------------------------------------------------------------

RANKS = (1, 2, 4)
RANK_DIMENSIONS = (250, 1000, 4000)
RANK_K, RANK_INSTANCES = 16, 32
RANK_DELTA = 9.6  # η d at which the search for the best one begins


def rank_points(quick: bool) -> list[best_rate.Point]:
    """Points over ranks and dimensions, which share instances (λ, c, the Gram matrix).

    Dimensions share no random numbers.
    """
    dimensions = RANK_DIMENSIONS[:2] if quick else RANK_DIMENSIONS
    return [
        _rank_point(rank, d, SEED + 1000 * (i + 1) + 100 * j, quick)
        for i, rank in enumerate(RANKS)
        for j, d in enumerate(dimensions)
    ]


def _rank_point(rank: int, d: int, seed: int, quick: bool) -> best_rate.Point:
    tasks = [
        Task.sample(
            d=d,
            k=RANK_K,
            xi=RANK_K**0.5,
            activation="relu",
            rank=rank,
            c="sphere",
            features="orthonormal",
            lam=RANK_K**-0.5,
            normalization="unit",
            seed=SEED + instance,
        )
        for instance in range(8 if quick else RANK_INSTANCES)
    ]
    jobs = jobs_to(0.9, tasks, LoRA(rank=rank), seed)
    return best_rate.Point(jobs, first_hits, RANK_DELTA, (100 if quick else 1000) * d)


# ---- batch size --------------------------------------------------------------------------------

BATCHES = (1, 4, 16, 64, 256, 1024)
BATCH_D = 1000


def batch_jobs(quick: bool) -> list[Job]:
    """One job a batch size, at the automatic rate for it."""
    task = claim1.instance("relu").replace(d=BATCH_D)
    student = RankOne(c_init="teacher", u_init="favourable")
    return [
        Job(
            task,
            Training(
                student=student,
                lr="auto",
                batch=batch,
                steps=200 * BATCH_D // min(batch, 100),
                stop_at=0.9,
                thresholds=(0.9,),
                record=2,
            ),
            8 if quick else 32,
            SEED + 5000 + i,
        )
        for i, batch in enumerate(BATCHES[:2] if quick else BATCHES)
    ]


# ---- the worst c -------------------------------------------------------------------------------

WORST_D = 1000
SEARCH_STARTS, SEARCH_ROUNDS, SEARCH_DRAWS = 24, 60, 48
#: Overlaps at which the drift must not have turned.
NODES = (0.02, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
WORST_REPLICAS = 128
#: Kinds of c, and the worst one again with ĉ trained.
KINDS = ("quantised", "uniform on the sphere", "worst found", "worst found, ĉ trained")


def worst_task(c: Floats | str, seed: int = 0) -> Task:
    """He₃, whose drift can turn on the favourable side (paper: quantised c only)."""
    return Task.sample(
        d=WORST_D,
        k=K,
        xi=K**0.5,
        activation="he3",
        features="orthonormal",
        c=c,
        lam=K**-0.5,
        normalization="unit",
        seed=seed,
    )


def reaching_share(c: Floats, draws: Floats) -> float:
    """Share of ĉ for which the gradient flow reaches overlap 0.9 from the favourable side."""
    task = worst_task(c)
    reached = 0
    for c_hat in draws:
        start = float(theory.drift(task, c_hat, 0.0))
        side = np.sign(start)
        if side == 0:
            continue
        turned = np.asarray(theory.drift(task, c_hat, side * np.array(NODES))) * side
        reached += bool((turned > 0).all())
    return reached / len(draws)


def search_worst_c(quick: bool) -> tuple[Floats, list[float]]:
    """Hill climbing on the sphere from the worst of a few random starts.

    Returns
    -------
    c : ndarray of shape (k,)
    path : list of float
        Least share after each trial.
    """
    generator = np.random.default_rng(SEED)
    count = 4 if quick else SEARCH_DRAWS
    draws = generator.choice([-1.0, 1.0], size=(count, K)) / np.sqrt(K)
    starts = generator.standard_normal((3 if quick else SEARCH_STARTS, K))
    starts /= np.linalg.norm(starts, axis=1, keepdims=True)
    shares = [reaching_share(c, draws) for c in starts]
    path = list(np.minimum.accumulate(shares))
    c, least = starts[int(np.argmin(shares))], min(shares)
    for i in range(3 if quick else SEARCH_ROUNDS):
        width = 0.6 * 0.97**i
        trial = c + width * generator.standard_normal(K) / np.sqrt(K)
        trial /= np.linalg.norm(trial)
        share = reaching_share(trial, draws)
        if share <= least:
            c, least = trial, share
        path.append(least)
    return c, path


def worst_jobs(worst: Floats, quick: bool) -> list[Job]:
    """Sixteen c of each kind (the worst one 16 times), every job with a seed of its own."""
    jobs = []
    for i, kind in enumerate(KINDS):
        trained = kind.endswith("ĉ trained")
        # With ĉ trained, (û, ĉ) may turn together: no side is favourable.
        student = RankOne(train_c=trained, u_init="uniform" if trained else "favourable")
        for j in range(2 if quick else WORST_REPLICAS // 8):
            seed = SEED + 6000 + 100 * i + j
            c: Floats | str = worst
            if not kind.startswith("worst found"):
                c = "quantized" if kind == "quantised" else "sphere"
            training = Training(
                student=student,
                lr="auto",
                steps=(20 if quick else 1000) * WORST_D,
                stop_at=0.5,
                thresholds=(0.5,),
                record=2,
            )
            jobs.append(Job(worst_task(c, seed), training, 8, seed, expected=300.0 * WORST_D))
    return jobs
