"""Measure how long pictures take when many visitors use one server, and whether memory stays.

    python scripts/measure_load.py --visitors 1 10 40 --minutes 5
    python scripts/measure_load.py --heavy 5

Visitors open links with settings that nobody had before, move α and η, look at other pages, leave, and come again, over
real WebSocket connections. "Live" is the time from the door until the browser has what it runs the model with; from
then on it answers by itself while a slider is dragged. The second line measures one new picture of the paper's setting,
alone and beside so many links that ask for all the sliders give.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dr_transformer.hardware.devices import machine
from tests.load.drive import Found, as_computed, beside_heavy, drive, server

CHECKED = 30
"""Pictures of each measurement that are computed again and compared."""


def percentiles(seconds: list[float]) -> str:
    """Say the median and the 95th percentile."""
    if len(seconds) < 2:
        return "too few"
    return f"p50 {statistics.median(seconds):.1f} s, p95 {np.percentile(seconds, 95):.1f} s, of {len(seconds)}"


def summary(found: Found) -> dict[str, Any]:
    """Print what the visitors saw, and return it."""
    checked = random.Random(0).sample(found.shown, min(CHECKED, len(found.shown)))
    apart = max((as_computed(shown) for shown in checked), default=float("nan"))
    held = [megabytes for _, megabytes in found.memory]
    thirds = [max(part) for part in np.array_split(held, 3)] if len(held) >= 3 else []
    print(f"  exact picture        {percentiles(found.exact)}")
    print(f"  live, from the door  {percentiles(found.live)}")
    print(f"  other pages          {percentiles(found.pages)}")
    print(f"  {len(checked)} pictures are at most {apart:.2f} of a step of int16 from the model")
    print(f"  memory, most of each third: {', '.join(f'{third:.0f} MB' for third in thirds)}")
    print(f"  problems: {len(found.problems)} {sorted(set(found.problems))[:5]}", flush=True)
    return {
        "exact": found.exact,
        "live": found.live,
        "pages": found.pages,
        "apart": apart,
        "memory": found.memory,
        "problems": found.problems,
    }


def main() -> None:
    """Run it from the terminal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, nargs="+", default=[1, 10, 40], help="so many at a time, each in turn")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--n-samples", type=int, default=1000)
    parser.add_argument("--heavy", type=int, default=0, help="instead: one visitor beside so many heavy links")
    parser.add_argument("--json", type=Path, help="also write all times to this file")
    options = parser.parse_args()
    about = machine()
    print(f"Processor: {about['processor']}.", flush=True)
    if options.heavy:
        with server() as (url, _):
            alone, beside = asyncio.run(beside_heavy(url, options.heavy, {"n_samples": "10000"}))
        print(f"10 000 tokens: alone {alone:.1f} s, beside {options.heavy} heavy links {beside:.1f} s.")
        return
    results: dict[str, Any] = {"machine": about}
    for visitors in options.visitors:
        with server() as (url, pid):
            found = asyncio.run(drive(url, pid, visitors, 60 * options.minutes, options.n_samples))
        print(f"{visitors} at a time, {found.n_visits} in all, {options.n_samples} tokens, {options.minutes:g} minutes")
        results[str(visitors)] = summary(found)
    if options.json:
        options.json.write_text(json.dumps(results))


if __name__ == "__main__":
    main()
