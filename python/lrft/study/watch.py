"""How far a study is: what `lrft.sweep` reports, and how it is said."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["StudyProgress"]


@dataclass(frozen=True, slots=True)
class StudyProgress:
    """A moment of a study, handed to the ``progress`` callable a few times a second.

    Attributes
    ----------
    total, done, running, failed : int
        Points; those found in the ledger count as done.
    reused : int
        Points found in the ledger.
    seconds : float
        Since the study began.
    share : float
        Of the estimated work that was to do, done.
    left : float
        Estimated seconds to the end; nan before anything is done. Too long where replicas stop
        early.

    Examples
    --------
    >>> from lrft.study.watch import StudyProgress
    >>> StudyProgress(10, 4, 2, 1, reused=3, seconds=60.0, share=0.25, left=180.0).describe()
    '4 of 10 points done (3 of them before), 2 running, 1 failed, 3:00 left'
    """

    total: int
    done: int
    running: int
    failed: int
    reused: int
    seconds: float
    share: float
    left: float

    def describe(self) -> str:
        """Say it in one line, as logs show it.

        Returns
        -------
        str

        Examples
        --------
        >>> from lrft.study.watch import StudyProgress
        >>> StudyProgress(2, 1, 1, 0, 0, seconds=60.0, share=0.5, left=60.0).describe()
        '1 of 2 points done, 1 running, 1:00 left'
        """
        before = f" ({self.reused} of them before)" if self.reused else ""
        parts = [f"{self.done} of {self.total} points done{before}"]
        parts += [
            f"{count} {name}"
            for name, count in (("running", self.running), ("failed", self.failed))
            if count
        ]
        if self.left == self.left:
            parts.append(f"{duration(self.left)} left")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """Write a duration readably.

    Examples
    --------
    >>> from lrft.study.watch import duration
    >>> duration(0.4), duration(75), duration(7380), duration(200_000)
    ('0:01', '1:15', '2:03:00', '2 days 7:33:20')
    """
    whole = max(1, round(seconds))
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    clock = f"{hours}:{minutes:02}:{rest:02}" if hours or days else f"{minutes}:{rest:02}"
    return f"{days} days {clock}" if days else clock
