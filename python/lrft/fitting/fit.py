"""`fit`: a student on given data, from start to end in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lrft.base import interrupts
from lrft.base.progress import ProgressCallback
from lrft.fitting.fitting import Fitting
from lrft.model import schedule
from lrft.model.loss import Loss
from lrft.model.optimiser import SGD
from lrft.model.recording import Record, RecordParameters
from lrft.model.students import Student
from lrft.model.task import Task
from lrft.model.weights import Weights
from lrft.run import chains as runs

if TYPE_CHECKING:
    import xarray as xr


def fit(
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
    progress: ProgressCallback | bool | None = None,
    on_interrupt: str = "raise",
) -> xr.Dataset:
    """Fit a student to given inputs and labels by SGD on the squared error, or another loss.

    The same students, and the same step, as those of `simulate`, with labels y in place of a
    teacher: the loss of a sample is (f̂(x) − y)², without ½, or that of `loss`, and a step moves
    along its mean over a batch. Nothing is assumed of the inputs.

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
    reuse, lookahead
        As for `Training`: how often in a row a step uses its batch.
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
        Stop a replica at a record with a validation loss of at most this.
    patience : int, optional
        Stop a replica after this many records without a new least validation loss.
    keep : {"last", "best"}
        Which student is handed back: the last, or that of the least validation loss at a record.
    loss : {"squared", "correlation", "huber", "logistic"}, Huber or Logistic
        As for `Training`; for the logistic loss labels must be +1 and -1, and none is turned over.
    record_parameters : bool or sequence of str
        As for `Training`, but for ``"M"``, whose basis is that of a teacher.
    xi : float, optional
        Length ξ of the perturbation of `RankOne`; by default that of the task, or the Frobenius
        norm of W.
    optimiser : {"sgd", "momentum", "nesterov"} or SGD
        As for `Training`.
    average : int or "all", optional
        As for `Training`: ``averaged_validation_loss`` is recorded, with `validation`.
    replicas : int or sequence of int
        As for `simulate`; they differ in what is random: start and order.
    seed, threads, progress, on_interrupt
        As for `simulate`.

    Returns
    -------
    xarray.Dataset
        ``train_loss``: mean loss of the samples since the last record, each before its update
        (NaN at step 0); ``validation_loss``: that of the validation samples; both with
        dimensions ``(replica, step)`` and NaN after a replica stopped. ``status`` and
        ``stop_step``; the student handed back, ``u_hat`` and ``c_hat``, ``A`` and ``B``, or ``W``
        and ``lam``, and ``kept_step``, the step it is from. `merge_weights` makes a network of it.
        With `record_parameters` what it names, as `simulate` has it; where that is ``c_hat`` or
        ``B``, those of the student handed back are ``kept_c_hat`` or ``kept_B``.
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
        base,
        student,
        X,
        y,
        lr=lr,
        epochs=epochs,
        batch=batch,
        reuse=reuse,
        lookahead=lookahead,
        shuffle=shuffle,
        validation=validation,
        record=record,
        stop_loss=stop_loss,
        patience=patience,
        keep=keep,
        loss=loss,
        record_parameters=record_parameters,
        xi=xi,
        optimiser=optimiser,
        average=average,
        replicas=replicas,
        seed=seed,
        threads=threads,
    )
    return runs.finished(fitting, progress, on_interrupt)
