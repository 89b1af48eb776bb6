"""The run behind a page: it begins anew when something is changed and works in the background."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lrft
from lrft.base import files
from lrft.explore.choices import Choices
from lrft.explore.curves import Curves, curves_of
from lrft.explore.limit import Limit, Solver, question
from lrft.explore.recipe import Recipe
from lrft.plot import pictures
from lrft.result import dataset as results
from lrft.run import chains as runs

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Moment", "Runner"]

#: Seconds of work on a group of replicas before the next one has its turn.
SLICE = 0.01
#: The replicas of a group, which move in lock step.
GROUP = 8
#: Seconds without a change after which the ODE is worth its start.
REST = 0.3

_DRAWING = threading.Lock()  # matplotlib's settings are those of the whole process


@dataclass(frozen=True)
class Moment:
    """What there is to see.

    Attributes
    ----------
    number : int
        Grows with every change of what is seen.
    run : int
        Grows when a run begins.
    choices : Choices
    recipe : Recipe or None
        None where the choices cannot be run.
    limit : float
        The stability limit of the rate.
    curves : Curves or None
    ode : Limit or None
    about_ode : str
        Why there is no ODE.
    steps_per_second : float
        Of all replicas together.
    message : str
        What went wrong, or what was saved.
    """

    number: int
    run: int
    choices: Choices
    recipe: Recipe | None = None
    limit: float = float("nan")
    curves: Curves | None = None
    ode: Limit | None = None
    about_ode: str = ""
    steps_per_second: float = 0.0
    message: str = ""


class Runner:
    """Runs what is chosen, a slice at a time, in a thread of its own.

    Parameters
    ----------
    choices : Choices, optional
        Run at once.
    folder : path
        Where results are saved.

    Examples
    --------
    >>> from lrft.explore.choices import Choices
    >>> from lrft.explore.runner import Runner
    >>> runner = Runner(Choices(log_d=2.0, k=2, log_steps=1.0))
    >>> moment = runner.wait(lambda moment: moment.curves and not moment.curves.running)
    >>> moment.curves.overlap.shape[0]
    16
    >>> runner.close()
    """

    def __init__(self, choices: Choices | None = None, folder: str | Path = ".") -> None:
        self.folder = Path(folder)
        self._changed = threading.Condition()
        self._wanted: Choices | None = choices or Choices()
        self._jobs: list[Callable[[], None]] = []
        self._closed = False
        self._moment = Moment(0, 0, self._wanted or Choices())
        self._parts: list[lrft.Simulation] = []
        self._recipe: Recipe | None = None
        self._training: Any = None
        self._turn = 0
        self._since = 0.0
        self._solver = Solver()
        self._asked = False
        self._thread = threading.Thread(target=self._work, name="lrft explore", daemon=True)
        self._thread.start()

    # ---- from outside -----------------------------------------------------------------------

    @property
    def moment(self) -> Moment:
        """What there is to see now."""
        return self._moment

    @property
    def alive(self) -> bool:
        """Whether it works, or waits for something to do."""
        return self._thread.is_alive()

    def change(self, choices: Choices) -> None:
        """Run something else, at once; the last of several changes counts.

        Parameters
        ----------
        choices : Choices
        """
        with self._changed:
            self._wanted = choices
            self._changed.notify_all()

    def save(self) -> None:
        """Save what there is, as NetCDF and as a picture; the message says where."""
        with self._changed:
            self._jobs.append(self._save)
            self._changed.notify_all()

    def wait(self, condition: Callable[[Moment], Any], seconds: float = 60.0) -> Moment:
        """Wait until what there is to see meets a condition.

        Parameters
        ----------
        condition : callable
        seconds : float

        Returns
        -------
        Moment

        Raises
        ------
        TimeoutError
            If it does not in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self._moment), seconds):
                raise TimeoutError(f"not within {seconds:g} s; message: {self._moment.message!r}")
            return self._moment

    def close(self) -> None:
        """End all work; safe to call again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        self._solver.close()

    # ---- in the thread ----------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._closed or self._wanted or self._jobs or self._busy):
                    # The ODE is not worth a thread of its own: looked for now and then.
                    self._changed.wait(0.05)
                    if self._ode_due() or self._asked:
                        break
                if self._closed:
                    return
                wanted, self._wanted = self._wanted, None
                jobs, self._jobs = self._jobs, []
            try:
                if wanted is not None:
                    self._begin(wanted)
                for job in jobs:
                    job()
                if self._busy:
                    self._advance()
                self._ode()
            except (Exception, MemoryError) as error:  # a page outlives whatever is chosen
                self._parts = []
                self._show(message=_reason(error))

    @property
    def _busy(self) -> bool:
        curves = self._moment.curves
        return bool(self._parts) and (curves is None or curves.running > 0)

    def _show(self, **changes: Any) -> None:
        with self._changed:
            now = self._moment
            self._moment = Moment(**(vars(now) | {"number": now.number + 1} | changes))
            self._changed.notify_all()

    def _begin(self, choices: Choices) -> None:
        self._parts, self._recipe = [], None
        self._solver.drop()
        self._asked = False
        fresh = Moment(self._moment.number, self._moment.run + 1, choices)
        try:
            recipe, limit = choices.recipe()
            task, self._training = recipe.make_task(), recipe.make_training()
            # One group each: of a single run with one thread, only one group would move.
            groups = range(0, recipe.run["replicas"], GROUP)
            self._parts = [
                lrft.Simulation(
                    task,
                    self._training,
                    replicas=range(first, first + GROUP),
                    seed=recipe.run["seed"],
                    threads=1,
                )
                for first in groups
            ]
        except Exception as error:
            self._show(**vars(fresh) | {"number": fresh.number + 1, "message": _reason(error)})
            return
        self._recipe = recipe
        self._since = time.monotonic()
        self._show(**vars(fresh) | {"number": fresh.number + 1, "recipe": recipe, "limit": limit})

    def _advance(self) -> None:
        """Give every group a slice, so that all replicas move."""
        for part in self._parts:
            part.advance(SLICE)
        chains = [chain for part in self._parts for chain in part.chains()]
        curves = curves_of(chains, self._training)
        done = sum(chain.step for chain in chains)
        seconds = sum(part.seconds for part in self._parts)
        diverged = f"{curves.diverged} of {len(chains)} replicas diverged: take a lower rate"
        self._show(
            curves=curves,
            steps_per_second=done / seconds if seconds > 0 else 0.0,
            message=diverged if curves.diverged else self._moment.message,
        )

    def _ode_due(self) -> bool:
        return (
            self._recipe is not None
            and not self._asked
            and self._moment.ode is None
            and not self._moment.about_ode
            and self._moment.curves is not None
            and time.monotonic() - self._since > REST
        )

    def _ode(self) -> None:
        if self._ode_due() and self._recipe is not None:
            chains = [chain for part in self._parts for chain in part.chains()]
            asked = question(self._recipe, [chain.records["overlap_u"][0] for chain in chains])
            if asked is None:
                self._show(about_ode="none for this student")
            else:
                self._solver.ask(asked)
                self._asked = True
        answer = self._solver.answer()
        if answer is not None:
            self._asked = False
            if isinstance(answer, str):
                self._show(about_ode=f"none: {answer}")
            else:
                self._show(ode=answer)

    def dataset(self) -> xr.Dataset:
        """Put the groups together, as `lrft.simulate` gives them."""
        first = self._parts[0]
        # This also brings the values where replicas stand into their chains.
        made = [part.dataset() for part in self._parts]
        chains = [chain for part in self._parts for chain in part.chains()]
        replicas = [replica for part in self._parts for replica in part.replicas]
        records = runs.gather(first.tasks, self._training, replicas, chains, paired=False)
        attrs = {
            "seed": first.seed,
            "engine": first.engine,
            "threads": first.threads,
            "interrupted": int(self._busy),
            "learning_rate": "; ".join(first.rate_notes),
        }
        ds = results.assemble(first.tasks[0], self._training, records, attrs)
        return ds.assign_coords({name: made[0][name] for name in ("learning_rate", "delta")})

    def _save(self) -> None:
        if not self._parts or self._recipe is None:
            self._show(message="there is nothing to save")
            return
        ds = self.dataset()
        ds.attrs |= {"command": self._recipe.command(), "settings_toml": self._recipe.toml()}
        folder = files.folder(self.folder)
        number = 1
        while any((folder / f"lrft-explore-{number}.{end}").exists() for end in ("nc", "png")):
            number += 1
        path = folder / f"lrft-explore-{number}.nc"
        try:
            results.save(ds, path)
        except Exception as error:
            self._show(message=f"not saved: {files.reason(error)}")
            return
        said = f"saved {path}"
        try:
            with _DRAWING:
                picture = pictures.drawn(lambda: lrft.plot.summary(ds), ".png")
            files.write(picture, path.with_suffix(".png"))
            said += f" and {path.with_suffix('.png').name}"
        except Exception as error:
            said += f"; no picture: {files.reason(error)}"
        self._show(message=said)


def _reason(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "not enough memory"
    return str(error) or type(error).__name__
