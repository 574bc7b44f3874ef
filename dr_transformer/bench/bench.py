"""`dr-transformer bench`: what this machine does, as ratios against the plain references in the same process."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dr_transformer.bench.peaks import PeakMeter, Side
from dr_transformer.hardware.devices import machine

REPEATS = 5
# What the cases need, imported before memory is measured
_IMPORTED = ("dr_transformer.bench.cases", "sklearn.decomposition", "sklearn.manifold", "sklearn.neighbors")


@dataclass(frozen=True)
class Case:
    """One comparison: `ours` against `reference`; None where nothing else can do it.

    `errors(ours, reference)` names how far our result is from the truth, `of_seconds` what follows from our time. What
    takes minutes is not called once more to `warm` up. `close` is called at the end, however it comes.
    """

    name: str
    ours: Side
    reference_name: str = ""
    reference: Side | None = None
    errors: Callable[[Any, Any], dict[str, float]] | None = None
    of_seconds: Callable[[float], dict[str, float]] | None = None
    repeats: int = REPEATS
    warm: bool = True
    close: Callable[[], None] | None = None


@dataclass(frozen=True)
class Result:
    """Medians over `repeats` of seconds; `ratio` is the reference's over ours.

    Peaks in bytes, beyond the data and what was held before: of the GPU's memory for what runs there.
    """

    name: str
    reference_name: str
    seconds: float
    reference_seconds: float | None
    ratio: float | None
    errors: dict[str, float]
    peak_bytes: int | None
    reference_peak_bytes: int | None
    repeats: int


def run_cases(cases: Sequence[Case], check: Callable[[], None] | None = None) -> Iterator[tuple[float, Result | str]]:
    """Measure `cases` one after the other; yields (share done, what is measured now or a result).

    Ours and the reference alternate in this process, after one call of each that is looked at for its errors and not
    timed, for it compiles and allocates. Before, one more call of each tells its peak of memory, in a process of its
    own. `check` is called between the calls, and often while memory is measured, and may raise to cancel.
    """
    with PeakMeter(_IMPORTED) as meter:
        for number, case in enumerate(cases):
            yield number / len(cases), case.name
            try:
                yield (number + 1) / len(cases), _measure(case, meter, check or (lambda: None))
            finally:
                if case.close:
                    case.close()


def _measure(case: Case, meter: PeakMeter, check: Callable[[], None]) -> Result:
    sides = [case.ours] + ([case.reference] if case.reference else [])
    peaks = [meter.peak(side, check) for side in sides]
    loaded = [side.load() for side in sides]
    results, seconds = [], []
    for side, data in zip(sides, loaded, strict=True):
        check()
        began = time.perf_counter()
        results.append(side.work(data))
        seconds.append([] if case.warm else [time.perf_counter() - began])
    errors = case.errors(results[0], results[-1]) if case.errors else {}
    del results
    while len(seconds[0]) < case.repeats:
        for side, data, measured in zip(sides, loaded, seconds, strict=True):
            check()
            began = time.perf_counter()
            side.work(data)
            measured.append(time.perf_counter() - began)
    ours, *theirs = (statistics.median(measured) for measured in seconds)
    reference = theirs[0] if theirs else None
    return Result(
        case.name,
        case.reference_name,
        ours,
        reference,
        None if reference is None else reference / ours,
        errors | (case.of_seconds(ours) if case.of_seconds else {}),
        peaks[0],
        peaks[1] if case.reference else None,
        case.repeats,
    )


def as_json(results: Sequence[Result]) -> str:
    """Machine and results, for a file."""
    return json.dumps({"machine": machine(), "results": [asdict(result) for result in results]}, indent=1) + "\n"


def table(results: Sequence[Result]) -> str:
    """One line a case, aligned, for a terminal."""
    heading = ("case", "seconds", "reference", "its seconds", "ratio", "peak MB", "its peak MB", "errors")
    rows = [heading, *(_cells(result) for result in results)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(heading))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _cells(result: Result) -> tuple[str, ...]:
    errors = ", ".join(f"{name} {value:.2g}" for name, value in result.errors.items())
    ratio = "" if result.ratio is None else f"{result.ratio:.2f}"
    theirs = "" if result.reference_seconds is None else _seconds(result.reference_seconds)
    peaks = (_megabytes(result.peak_bytes), _megabytes(result.reference_peak_bytes))
    return (result.name, _seconds(result.seconds), result.reference_name, theirs, ratio, *peaks, errors)


def _seconds(value: float) -> str:
    return f"{value:.{max(0, 2 - math.floor(math.log10(max(value, 1e-9))))}f}"


def _megabytes(n_bytes: int | None) -> str:
    return "" if n_bytes is None else f"{n_bytes / 1e6:.0f}"
