"""Fit a student to given samples: `fit` in one call, `Fitting` step by step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lrft.base import checks
from lrft.base.progress import Progress, ProgressCallback
from lrft.base.threads import settle_threads
from lrft.core.engine import compiled
from lrft.fitting.arguments import (
    base_task,
    beside_data,
    check_loss,
    check_memory,
    check_student_of,
    open_training,
    window_steps,
    without_teacher,
)
from lrft.fitting.dataset import assemble, kept_samples, merge_weights
from lrft.fitting.samples import MAX_SHUFFLED, Samples, Stream, inputs
from lrft.model import schedule
from lrft.model.loss import Loss
from lrft.model.optimiser import SGD
from lrft.model.recording import Record, RecordParameters
from lrft.model.students import Student, is_named
from lrft.model.task import Task
from lrft.model.training import Training, training_data
from lrft.model.weights import Weights
from lrft.run import arguments, describe
from lrft.run import chains as runs

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Fitting", "merge_weights"]

MOST_RECORDS = 201  # by default


class Fitting:
    """A fit that can be watched, stopped, looked at on the way and continued.

    Parameters
    ----------
    base, student, X, y, lr, epochs, batch, reuse, lookahead, shuffle, validation, record
        As for `fit`.
    stop_loss, patience, keep, loss, record_parameters, xi, optimiser, average
        As for `fit`.
    replicas, seed, threads
        As for `fit`.

    Raises
    ------
    TypeError, ValueError
        As for `fit`.

    Examples
    --------
    >>> import numpy as np, lrft
    >>> base = lrft.Weights(W=np.eye(2, 3), lam=np.ones(2), activation="relu")
    >>> X = np.random.default_rng(0).standard_normal((100, 3))
    >>> fitting = lrft.Fitting(base, lrft.FullNetwork(), X, X[:, 2], lr=0.01, epochs=3)
    >>> while not fitting.advance(seconds=0.1):
    ...     pass
    >>> fitting.dataset().status.item()
    'finished'
    """

    def __init__(
        self,
        base: Task | Weights,
        student: Student,
        X: Any,
        y: Any = None,
        *,
        lr: float | schedule.Schedule,
        epochs: int = 1,
        batch: int = 1,
        reuse: int = 1,
        lookahead: float | None = None,
        shuffle: bool | None = None,
        validation: tuple[Any, Any] | None = None,
        record: Record | None = None,
        stop_loss: float | None = None,
        patience: int | None = None,
        keep: str = "last",
        loss: Loss = "squared",
        record_parameters: RecordParameters = False,
        xi: float | None = None,
        optimiser: SGD | str = "sgd",
        average: int | str | None = None,
        replicas: int | Sequence[int] = 1,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        self.task = base_task(base, xi)
        epochs = checks.integer("epochs", epochs, 1)
        batch = checks.integer("batch", batch, 1)
        shuffle = (y is not None) if shuffle is None else checks.boolean("shuffle", shuffle)
        self.keep = checks.choice("keep", keep, ("last", "best"))
        self.patience = (
            0 if patience is None else checks.integer("patience", patience, 1, 2**31 - 1)
        )
        held_out: dict[str, Any] = {"stop_loss": stop_loss, "patience": patience}
        held_out["average"] = average
        held_out["keep='best'"] = self.keep == "best" or None
        for name, value in held_out.items():
            if value is not None and validation is None:
                raise ValueError(f"{name} is about the validation loss: give validation=(X, y)")
        if is_named(lr, "auto"):
            raise ValueError("lr='auto' needs a teacher and Gaussian inputs: give a rate for data")
        if y is None and (shuffle or epochs > 1):
            raise ValueError(
                "an iterable X is taken once and in order, got "
                + ("shuffle=True" if shuffle else f"epochs={epochs}")
            )
        common: dict[str, Any] = {
            "student": student,
            "lr": lr,
            "batch": batch,
            "reuse": reuse,
            "lookahead": lookahead,
            "stop_loss": stop_loss,
            "loss": loss,
            "record_parameters": record_parameters,
            "optimiser": optimiser,
            "average": average,
        }
        if y is None:
            self.training = open_training(common, record)
        else:
            X = inputs("X", X, self.task.d)
            if shuffle and len(X) > MAX_SHUFFLED:
                raise ValueError(
                    f"shuffle=True is for at most {MAX_SHUFFLED} samples, got {len(X)}"
                )
            steps = epochs * -(-len(X) // batch)
            if record is None:
                record = min(epochs + 1, MOST_RECORDS) if epochs > 1 else 21
            self.training = Training(steps=steps, record=record, thresholds=(), **common)
        self.training = beside_data(self.training)
        check_student_of(base, self.task, student)
        signs, offset = check_loss(self.training.loss, base)
        reckoned: dict[str, Any] = {"signs": signs, "offset": offset}
        self.indices = arguments.check_replicas(replicas, 1)
        self.seed = checks.seed("seed", seed)
        self.threads = settle_threads(threads)
        shuffled = len(X) if shuffle else 0
        check_memory(self.task, self.training, len(self.indices), self.threads, shuffled)
        self.validation: Samples | None = None
        if validation is not None:
            if not isinstance(validation, tuple | list) or len(validation) != 2:
                raise TypeError(
                    f"validation must be a pair (X, y), got {checks.describe(validation)}"
                )
            names = "validation[0]", "validation[1]"
            self.validation = Samples(names, *validation, self.task.d, **reckoned)
        self.shuffle, self.epochs = shuffle, epochs
        self.seconds, self.interrupted, self._done_before = 0.0, False, 0
        chains = [describe.new_chain(0, replica) for replica in self.indices]
        if y is None:
            rows = batch * window_steps(self.task.d, batch)
            self._stream: Stream | None = Stream(X, self.task.d, rows, **reckoned)
            self._first = 0
            self._pending: tuple[Any, Any, bool] | None = None  # taken, but not yet run
            self._next_run(chains)
        else:
            self._stream = None
            self.samples = Samples(("X", "y"), X, y, self.task.d, **reckoned)
            self._last = True
            data = {"train": self.samples.core(), "pass_": len(self.samples)}
            self._chains = self._start(chains, data, self._plan())

    # ---- running ----------------------------------------------------------------------

    def advance(self, seconds: float = runs.SLICE) -> bool:
        """Go through batches for a while, of all replicas, and come back to be looked at.

        Parameters
        ----------
        seconds : float
            About how long, at least 0. Every call moves on; one that waits for an iterable to give
            its next batch takes as long as that does.

        Returns
        -------
        bool
            True when every replica has ended: all epochs done, the iterable empty, `stop_loss` or
            `patience` met, or diverged.

        Raises
        ------
        TypeError, ValueError
            If `seconds` is no such number, and for batches of an iterable as they come.
        KeyboardInterrupt
            On Ctrl-C, within half a second; what was done stays and can go on.

        Examples
        --------
        >>> import numpy as np, lrft
        >>> base = lrft.Weights(W=np.eye(2, 3), lam=np.ones(2), activation="relu")
        >>> X = np.ones((10, 3))
        >>> fitting = lrft.Fitting(base, lrft.LoRA(rank=1), X, X[:, 0], lr=0.01)
        >>> while not fitting.advance(seconds=0.1):
        ...     pass
        """
        seconds = checks.real("seconds", seconds, minimum=0.0)
        begin = time.perf_counter()
        try:
            while self._chains.advance(begin + seconds - time.perf_counter()):
                chains = self._now()
                # No more is asked of a stream, which may have no end, than the replicas need.
                if self._last or not any(chain.status == "running" for chain in chains):
                    return True
                self._next_run(chains)
            return False
        finally:
            self.seconds += time.perf_counter() - begin

    def run(self, progress: ProgressCallback | bool | None = None) -> None:
        """Work until every replica has ended.

        Parameters
        ----------
        progress : bool or callable, optional
            True for a bar, in a terminal or a notebook; or called about ten times a second with a
            `lrft.Progress`.

        Raises
        ------
        TypeError, ValueError, KeyboardInterrupt
            As `advance`; what was done stays and can go on.

        Examples
        --------
        >>> import numpy as np, lrft
        >>> base = lrft.Weights(W=np.eye(2, 3), lam=np.ones(2), activation="relu")
        >>> X = np.ones((10, 3))
        >>> fitting = lrft.Fitting(base, lrft.LoRA(rank=1), X, X[:, 0], lr=0.01)
        >>> fitting.run()
        """
        runs.to_the_end(self, progress)

    def progress(self) -> Progress:
        """Return where the fit stands.

        Returns
        -------
        Progress
            ``overlap`` is NaN: there is no teacher.

        Examples
        --------
        >>> import numpy as np, lrft
        >>> base = lrft.Weights(W=np.eye(2, 3), lam=np.ones(2), activation="relu")
        >>> X = np.ones((10, 3))
        >>> fitting = lrft.Fitting(base, lrft.LoRA(rank=1), X, X[:, 0], lr=0.01)
        >>> fitting.progress().done_steps
        0
        """
        waiting, running, ended, diverged, *_ = self._chains.core.progress()
        done = (self._done_before + self._chains.core.steps_done) // len(self.indices)
        return Progress(
            done_steps=done,
            total_steps=done if self._stream is not None else self.training.steps,
            seconds=self.seconds,
            overlap=float("nan"),
            running=waiting + running,
            finished=ended,
            diverged=diverged,
        )

    def dataset(self) -> xr.Dataset:
        """Return everything recorded so far, and the students now.

        Returns
        -------
        xarray.Dataset
            As `fit` returns it.

        Examples
        --------
        >>> import numpy as np, lrft
        >>> base = lrft.Weights(W=np.eye(2, 3), lam=np.ones(2), activation="relu")
        >>> X = np.ones((10, 3))
        >>> fitting = lrft.Fitting(base, lrft.LoRA(rank=1), X, X[:, 0], lr=0.01)
        >>> _ = fitting.advance(0.0)
        >>> fitting.dataset().A.dims
        ('replica', 'row', 'input')
        """
        self._chains.core.save()
        source = self.samples if self._stream is None else self._stream
        attrs: dict[str, Any] = {
            "seed": self.seed,
            "threads": self.threads,
            "interrupted": int(self.interrupted),
            "epochs": self.epochs,
            "shuffle": int(self.shuffle),
            "keep": self.keep,
            "patience": self.patience,
            "data": "stream" if self._stream is not None else "arrays",
            "data_sha256": source.digest,
        }
        if self.validation is not None:
            attrs["validation_sha256"] = self.validation.digest
        given = kept_samples(source, self.validation)
        attrs |= self._chains.attrs()
        chains = self._chains.marked(self._now())
        return assemble(self.task, self.training, chains, given, attrs)

    def _now(self) -> list[compiled.Chain]:
        """Every replica; one that ended with a window of a stream has only come to its end."""
        return [
            chain.replace(status="running")
            if chain.status == "finished" and not self._last
            else chain
            for chain in self._chains.core.chains()
        ]

    # ---- setting up ---------------------------------------------------------------------

    def _plan(self) -> compiled.TrainingData:
        plan = training_data(self.training, self.training.lr)  # type: ignore[arg-type]
        return plan.replace(patience=self.patience)

    def _start(
        self,
        chains: list[compiled.Chain],
        data: dict[str, Any],
        plan: compiled.TrainingData,
        after: runs.Chains | None = None,
    ) -> runs.Chains:
        job = describe.Settled(self.task, self.training, self.training.lr)  # type: ignore[arg-type]
        streamed = self._stream is not None
        spec = describe.run(
            [job], chains, ambient=True, seed=self.seed, threads=self.threads, keep_state=streamed
        )
        held_out = None if self.validation is None else self.validation.core()
        spec |= {
            "tasks": [without_teacher(task) for task in spec["tasks"]],
            "trainings": [plan],
            "data": compiled.DataSet(**data, held_out=held_out, shuffle=self.shuffle),
            "keep_best": self.keep == "best",
        }
        return runs.Chains([self.task], spec, after=after)

    # ---- streams ------------------------------------------------------------------------

    def _next_run(self, chains: list[compiled.Chain]) -> None:
        """Go on with the next window; Ctrl-C on the way leaves everything as it was."""
        assert self._stream is not None
        if self._pending is None:
            self._pending = self._stream.take()
        X, y, is_last = self._pending
        first, batch = self._first, self.training.batch
        next_first = first + len(y)
        end = -(-next_first // batch)
        plan = self._plan()
        record = [
            step for step in plan.record.tolist() if step <= end and step < self.training.steps
        ]
        if is_last and record[-1] != end:
            record.append(end)
        # A pass that has no end in sight.
        data = {"train": compiled.Samples(X, y), "pass_": 2**62, "first": first}
        chains = [chain.replace(task=0) for chain in chains]
        before = self._chains if first else None
        now = self._start(chains, data, plan.replace(steps=end, record=record), before)
        done = self._done_before + (before.core.steps_done if before else 0)
        self._chains, self._done_before, self._first, self._last, self._pending = (
            now,
            done,
            next_first,
            is_last,
            None,
        )
