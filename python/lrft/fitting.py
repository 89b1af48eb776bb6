"""Fit a student to given samples: `fit` in one call, `Fitting` step by step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lrft import _arguments, _checks, _core, _engine, _runs, interrupts, schedule
from lrft._fit_arguments import (
    base_task,
    check_memory,
    check_student_of,
    open_training,
    window_steps,
    without_teacher,
)
from lrft._fit_result import assemble, kept_samples, merge_weights
from lrft._samples import MAX_SHUFFLED, Samples, Stream, inputs
from lrft.network import Weights
from lrft.progress import Progress, ProgressCallback
from lrft.recording import Record
from lrft.students import Student, is_named
from lrft.task import Task
from lrft.training import Training

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Fitting", "fit", "merge_weights"]

MOST_RECORDS = 201  # by default


def fit(
    base: Task | Weights,
    student: Student,
    X: Any,
    y: Any = None,
    *,
    lr: float | schedule.Schedule,
    epochs: int = 1,
    batch: int = 1,
    shuffle: bool | None = None,
    validation: tuple[Any, Any] | None = None,
    record: Record | None = None,
    stop_loss: float | None = None,
    patience: int | None = None,
    keep: str = "last",
    xi: float | None = None,
    replicas: int | Sequence[int] = 1,
    seed: int = 0,
    threads: int | None = None,
    progress: ProgressCallback | None = None,
    on_interrupt: str = "raise",
) -> xr.Dataset:
    """Fit a student to given inputs and labels by SGD on the squared error.

    The same students, and the same step, as those of `simulate`, with labels y in place of a
    teacher: the loss of a sample is (f̂(x) − y)², without ½, and a step moves along its mean over
    a batch. Nothing is assumed of the inputs.

    Parameters
    ----------
    base : Task or Weights
        The network to start from, f(x) = output_scale · Σ λ_i σ(neuron_scale ⟨w_i, x⟩): weights as
        of `load_weights`, or the base of a task, whose teacher is then not used.
    student : RankOne, LoRA or FullNetwork
        Linearised ones too. ``u_init="favourable"`` needs a teacher and is refused.
    X : array of shape (n, d), or iterable of batches
        float64 or float32, in any memory layout; a memory map is read as it is needed and never
        held as a whole. Without `y`: an iterable of pairs (X, y) of any sizes, taken once, in
        order.
    y : array_like of shape (n,), optional
        Labels.
    lr : float or schedule
        Learning rate η, of û, A or the rows; the student has the other one.
    epochs : int
        Passes over the data.
    batch : int
        Samples a step. The last step of a pass takes the samples that are left, and their mean.
    shuffle : bool, optional
        Whether every pass has a random order of its own, a function of (seed, replica, pass). By
        default arrays are shuffled; an iterable cannot be.
    validation : (X, y), optional
        Held-out arrays, as X and y.
    record : int, list of int, or Geometric, optional
        As for `Training`, in steps. By default, at the end of each of several passes (201 times
        for more than 200), or 21 times; of an iterable, whose length is not known, at steps 0, 1,
        2, 4, 8, … and the last, and a list or the default is needed.
    stop_loss : float, optional
        Stop a replica at a record with a validation error of at most this.
    patience : int, optional
        Stop a replica after this many records without a new least validation error.
    keep : {"last", "best"}
        Which student is handed back: the last, or that of the least validation error at a record.
    xi : float, optional
        Length ξ of the perturbation of `RankOne`; by default that of the task, or the Frobenius
        norm of W.
    replicas : int or sequence of int
        As for `simulate`; they differ in what is random: start and order.
    seed, threads, progress, on_interrupt
        As for `simulate`.

    Returns
    -------
    xarray.Dataset
        ``train_loss``: mean squared error of the samples since the last record, each before its
        update (NaN at step 0); ``validation_loss``: that of the validation samples; both with
        dimensions ``(replica, step)`` and NaN after a replica stopped. ``status`` and
        ``stop_step``; the student handed back, ``u_hat`` and ``c_hat``, ``A`` and ``B``, or ``W``
        and ``lam``, and ``kept_step``, the step it is from. `merge_weights` makes a network of it.
        ``X``, ``y``, ``validation_X`` and ``validation_y`` up to 64 MiB, for ``lrft rerun``.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, before anything runs; for an iterable, as its batches come.
    Interrupted
        On Ctrl-C, within half a second.

    Examples
    --------
    >>> import numpy as np, lrft
    >>> rng = np.random.default_rng(0)
    >>> base = lrft.Weights(W=rng.standard_normal((4, 8)), lam=np.ones(4), activation="tanh")
    >>> X = rng.standard_normal((512, 8))
    >>> y = np.tanh(X @ (base.W + np.outer([0.5, 0.5, -0.5, 0.5], np.eye(8)[0])).T).sum(axis=1)
    >>> ds = lrft.fit(base, lrft.LoRA(rank=1), X, y, lr=0.02, epochs=10, validation=(X, y))
    >>> error = ds.validation_loss.isel(replica=0)
    >>> bool(error[-1] < 0.05 * error[0])
    True
    >>> tuned = lrft.merge_weights(base, ds)
    >>> bool(np.isclose(np.mean((tuned.predict(X) - y) ** 2), error[-1]))
    True
    """
    on_interrupt = interrupts.check(on_interrupt)
    fitting = Fitting(
        base, student, X, y, lr=lr, epochs=epochs, batch=batch, shuffle=shuffle,
        validation=validation, record=record, stop_loss=stop_loss, patience=patience, keep=keep,
        xi=xi, replicas=replicas, seed=seed, threads=threads,
    )  # fmt: skip
    return _runs.finished(fitting, progress, on_interrupt)


class Fitting:
    """A fit that can be watched, stopped, looked at on the way and continued.

    Parameters
    ----------
    base, student, X, y, lr, epochs, batch, shuffle, validation, record, stop_loss, patience, keep
        As for `fit`.
    xi, replicas, seed, threads
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
        shuffle: bool | None = None,
        validation: tuple[Any, Any] | None = None,
        record: Record | None = None,
        stop_loss: float | None = None,
        patience: int | None = None,
        keep: str = "last",
        xi: float | None = None,
        replicas: int | Sequence[int] = 1,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        self.task = base_task(base, xi)
        epochs = _checks.integer("epochs", epochs, 1)
        batch = _checks.integer("batch", batch, 1)
        shuffle = (y is not None) if shuffle is None else _checks.boolean("shuffle", shuffle)
        self.keep = _checks.choice("keep", keep, ("last", "best"))
        self.patience = (
            0 if patience is None else _checks.integer("patience", patience, 1, 2**31 - 1)
        )
        held_out = {"stop_loss": stop_loss, "patience": patience}
        held_out["keep='best'"] = self.keep == "best" or None
        for name, value in held_out.items():
            if value is not None and validation is None:
                raise ValueError(f"{name} is about the validation error: give validation=(X, y)")
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
            "stop_loss": stop_loss,
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
        check_student_of(base, self.task, student)
        self.indices = _arguments.check_replicas(replicas, 1)
        self.seed = _checks.seed("seed", seed)
        self.threads = _arguments.settle_threads(threads)
        shuffled = len(X) if shuffle else 0
        check_memory(self.task, self.training, len(self.indices), self.threads, shuffled)
        self.validation: Samples | None = None
        if validation is not None:
            if not isinstance(validation, tuple | list) or len(validation) != 2:
                raise TypeError(
                    f"validation must be a pair (X, y), got {_checks.describe(validation)}"
                )
            self.validation = Samples(("validation[0]", "validation[1]"), *validation, self.task.d)
        self.shuffle, self.epochs = shuffle, epochs
        self.seconds, self.interrupted, self._done_before = 0.0, False, 0
        self._failures = _runs.Failures()
        chains = [_engine.new_chain(0, replica, self.training) for replica in self.indices]
        if y is None:
            rows = batch * window_steps(self.task.d, batch)
            self._stream: Stream | None = Stream(X, self.task.d, rows)
            self._first = 0
            self._pending: tuple[Any, Any, bool] | None = None  # taken, but not yet run
            self._next_run(chains)
        else:
            self._stream = None
            self.samples = Samples(("X", "y"), X, y, self.task.d)
            self._last = True
            data = {"train": self.samples.core(), "pass": len(self.samples), "first": 0}
            self._run = self._start(chains, data, self._plan())

    # ---- running ----------------------------------------------------------------------

    def advance(self, seconds: float = _runs.SLICE) -> bool:
        """Work for about `seconds`.

        Parameters
        ----------
        seconds : float
            At least 0; every call moves on.

        Returns
        -------
        bool
            True when every replica has ended.

        Raises
        ------
        TypeError, ValueError
            For `seconds`, and for batches of an iterable as they come.
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
        seconds = _checks.real("seconds", seconds, minimum=0.0)
        begin = time.perf_counter()
        try:
            while self._failures.advance(
                self._run, [self.task], begin + seconds - time.perf_counter()
            ):
                chains = self._chains()
                # No more is asked of a stream, which may have no end, than the replicas need.
                if self._last or not any(chain["status"] == "running" for chain in chains):
                    return True
                self._next_run(chains)
            return False
        finally:
            self.seconds += time.perf_counter() - begin

    def run(self, progress: ProgressCallback | None = None) -> None:
        """Work until every replica has ended.

        Parameters
        ----------
        progress : callable, optional
            Called about ten times a second with a `lrft.progress.Progress`.

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
        _runs.to_the_end(self, progress)

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
        waiting, running, ended, diverged, *_ = self._run.progress()
        done = (self._done_before + self._run.steps_done) // len(self.indices)
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
        self._run.save()
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
        attrs |= self._failures.attrs()
        chains = self._failures.marked(self._chains())
        return assemble(self.task, self.training, chains, given, attrs)

    def _chains(self) -> list[dict[str, Any]]:
        """Every replica; one that ended with a window of a stream has only come to its end."""
        chains = self._run.chains()
        for chain in chains:
            if chain["status"] == "finished" and not self._last:
                chain["status"] = "running"
        return chains

    # ---- setting up ---------------------------------------------------------------------

    def _plan(self) -> dict[str, Any]:
        plan = _engine.training_spec(self.training, self.training.lr)  # type: ignore[arg-type]
        return plan | {"patience": self.patience}

    def _start(
        self, chains: list[dict[str, Any]], data: dict[str, Any], plan: dict[str, Any]
    ) -> _core.Run:
        described = _engine.described([self.task], self.training.student, True, self.seed, chains)
        described["tasks"] = [without_teacher(task) for task in described["tasks"]]
        held_out = None if self.validation is None else self.validation.core()
        data = data | {
            "held_out": held_out, "shuffle": self.shuffle, "keep_best": self.keep == "best"
        }  # fmt: skip
        return _core.Run(
            {
                "ambient": True,
                "activation": self.task.activation.core,
                **described,
                "trainings": [plan],
                "seed": self.seed,
                "threads": self.threads,
                "keep_state": self._stream is not None,
                "data": data,
            }
        )

    # ---- streams ------------------------------------------------------------------------

    def _next_run(self, chains: list[dict[str, Any]]) -> None:
        """Go on with the next window; Ctrl-C on the way leaves everything as it was."""
        assert self._stream is not None
        if self._pending is None:
            self._pending = self._stream.take()
        X, y, is_last = self._pending
        first, batch = self._first, self.training.batch
        next_first = first + len(y)
        end = -(-next_first // batch)
        plan = self._plan()
        record = [step for step in plan["record"] if step <= end and step < self.training.steps]
        if is_last and record[-1] != end:
            record.append(end)
        # A pass that has no end in sight.
        data = {"train": {"X": X, "y": y}, "pass": 2**62, "first": first}
        chains = [chain | {"task": 0} for chain in chains]
        run = self._start(chains, data, plan | {"steps": end, "record": record})
        done = self._done_before + (self._run.steps_done if first else 0)
        self._run, self._done_before, self._first, self._last, self._pending = (
            run, done, next_first, is_last, None,
        )  # fmt: skip
