"""The session's jobs of the page "Log-normaliser"; their owners' names are those `leave_page` knows."""

from __future__ import annotations

import functools

from dr_transformer.engine.theorem import (
    CorollaryRun,
    CorollarySettings,
    GrowthRun,
    GrowthSettings,
    NullBand,
    TheoremRun,
    TheoremSettings,
)
from dr_transformer.ui.session import runner, session_name

_NULL_BANDS = ("null band", "fitted null band")


def corollary_run(settings: CorollarySettings) -> CorollaryRun:
    """The measurement of Corollary 1."""
    return runner().submit(settings, functools.partial(CorollaryRun, settings), (session_name(), "corollary"))


def theorem_run(settings: TheoremSettings) -> TheoremRun:
    """The measurement of Theorem 1, and of the null bands, which all settings of one size share."""
    nulls = []
    for fitted in settings.bands():
        about = (settings.n_particles, settings.n_dimensions, fitted)
        make = functools.partial(NullBand, *about)
        nulls.append(runner().submit(("null band", *about), make, (session_name(), _NULL_BANDS[fitted])))
    make_run = functools.partial(TheoremRun, settings, tuple(nulls))
    return runner().submit(settings, make_run, (session_name(), "theorem"))


def growth_run(settings: GrowthSettings) -> GrowthRun:
    """The measurement of the growth rates."""
    return runner().submit(settings, functools.partial(GrowthRun, settings), (session_name(), "growth"))


def stop(kind: str) -> None:
    """Stop the session's job of this kind, and those that only it waits for."""
    for name in (kind, *(_NULL_BANDS if kind == "theorem" else ())):
        runner().release((session_name(), name))
