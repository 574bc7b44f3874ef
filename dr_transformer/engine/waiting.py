"""How long people wait for a run: when a page looks again, and what it says of a run that takes minutes.

Until the first block is computed that is arithmetic (`run_cost`); from then on it is what the blocks so far took.
"""

from __future__ import annotations

from dr_transformer.data.mnist import count
from dr_transformer.engine.jobs import Job
from dr_transformer.engine.run import Run

PATIENCE = 120.0  # seconds: a run that takes longer is announced
_QUICK_LOOK, SLOW_LOOK = 0.4, 1.0  # seconds
# Of forty visitors who wait, each looking once a second, the server would do little else than answer them.
_EACH_AHEAD, _LONGEST_LOOK = 0.25, 5.0


def time_note(run: Run) -> str | None:
    """A sentence for a run that others are before, or that takes longer than `PATIENCE`; None for all others."""
    n_blocks, n, done = run.config.n_blocks, run.dataset.n_samples, run.block
    if run.done.is_set():
        return None
    if run.ahead:
        return others_first(run)
    tokens = f"{count(n)} tokens"
    if done < 1:
        if run.expected is None:  # it has not begun
            return None
        seconds = run.expected.seconds
        blocks = f"{n_blocks} block{'s' * (n_blocks > 1)}"
        said = (
            f"{blocks} of {tokens} take about {duration(seconds or 0)}, if this machine's {run.expected.threads} "
            "cores are as fast as is assumed; the first block will tell."
        )
    else:
        seconds = run.seconds / done * n_blocks
        left = duration(run.seconds / done * (n_blocks - done))
        said = (
            f"{done} of {n_blocks} blocks of {tokens} took {duration(run.seconds)}; the others need about {left} more."
        )
    if seconds is None or seconds <= PATIENCE:
        return None
    return f"{said} Change a setting, or close the page, to cancel. Fewer tokens n take less: time grows with n²."


def others_first(job: Job) -> str:
    """Say that others are before the visitor who waits for this; "" if nobody is."""
    ahead: int = getattr(job, "ahead", 0)
    others = "another visitor" if ahead == 1 else f"{ahead} other visitors"
    return f"The server computes for {others} first; this goes on by itself." if ahead else ""


def next_look(run: Run) -> float:
    """Return the seconds after which a page that shows the run should look again: when it may be done, or measured,
    within limits.

    Each look costs the processor that computes the run, in server and browser, about as much as a third of a block.
    """
    if run.ahead:
        return min(SLOW_LOOK + _EACH_AHEAD * run.ahead, _LONGEST_LOOK)
    took, done, of = run.seconds, run.block, run.config.n_blocks
    if run.done.is_set():
        took, done, of = run.measuring, len(run.analysis.curves["mean_cosine"]), of + 1
    if done < 1:
        return _QUICK_LOOK
    left = took / done * (of - done) if done < of else _QUICK_LOOK  # a colouring comes when it comes
    return min(max(left + 0.05, 0.1), SLOW_LOOK)


def duration(seconds: float) -> str:
    """A time for people: 45 seconds, 3.3 hours."""
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{_two_digits(seconds / size)} {unit}"
    return f"{_two_digits(seconds)} seconds"


def _two_digits(number: float) -> str:
    return f"{number:.2g}" if number < 99.5 else count(int(float(f"{number:.2g}")))
