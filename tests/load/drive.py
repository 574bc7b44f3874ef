"""Drive the app with many visitors, and hold what each was shown against the model (`scripts/measure_load.py`)."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import numpy as np
import psutil

from dr_transformer import Config, load, unroll
from tests.helpers.blobs import decode, unpack
from tests.helpers.servers import free_port, serve
from tests.load.visitor import Visitor

ROOT = Path(__file__).parents[2]
HEAVY = {"n_samples": "10000", "n_components": "256", "n_blocks": "32", "precision": "float64"}
"""A link that asks for as much as the sliders give."""
_LONGEST = 300.0  # seconds to wait for one picture
_ELSEWHERE = ("Compare", "The model", "Inside a block", "Log-normaliser", "Graph diffusion", "Lessons", "Performance")


@dataclass(frozen=True)
class Shown:
    """A picture as a visitor had it: the settings that it was asked with, and the last frame's points (n, 2)."""

    query: dict[str, str]
    points: np.ndarray
    tolerance: float  # a step of the frame's int16


@dataclass
class Found:
    """What all visitors saw: seconds from a change to the exact picture, and from the door to what is live."""

    exact: list[float] = field(default_factory=list)
    live: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)  # seconds, MB
    n_visits: int = 0


def whole(visitor: Visitor) -> Shown | None:
    """Return the visitor's picture once it is that of the settings last asked for, with the last block."""
    content = visitor.shown("latent_canvas")
    if not content:
        return None
    header, arrays = unpack(content)
    for name, value in re.findall(r"(\w+)=([^,()]+)", header["content_key"]):
        if name in visitor.query and name not in ("precision", "device") and float(visitor.query[name]) != float(value):
            return None
    last = header["panels"][1]["frames"][-1]
    if last["depth"] < int(visitor.query.get("n_blocks", 8)):
        return None
    return Shown(dict(visitor.query), decode(last, arrays), max(last["step"]))


def as_computed(shown: Shown) -> float:
    """Return how far the picture is from the model's latents, in steps of its own int16."""
    query = {name: value for name, value in shown.query.items() if name in Config.parameters()}
    config = Config(**{name: p.parse(query[name]) for name, p in Config.parameters().items() if name in query})
    tokens = load("mnist", int(shown.query["n_samples"]), config.random_state)
    *_, last = unroll(tokens.Y, config)
    return float(np.abs(last.X.numpy()[:, :2] - shown.points).max() / shown.tolerance)


async def visit(url: str, until: float, chance: random.Random, n_samples: int, found: Found) -> None:
    """Be one visitor after another: open a link, move sliders, look at other pages, leave."""

    def settings() -> dict[str, str]:
        return {"alpha": f"{chance.uniform(1, 100):.4f}", "eta": f"{chance.uniform(0.05, 0.49):.4f}"}

    while monotonic() < until:
        seed = {"random_state": str(chance.randrange(10**6))}
        visitor = Visitor(url, {"n_samples": str(n_samples), "n_components": "64"} | settings() | seed)
        began = monotonic()
        try:
            await visitor.enter()
            found.n_visits += 1
            await visitor.until(lambda v=visitor: v.shown("live_tokens"), _LONGEST)  # type: ignore[misc]
            found.live.append(monotonic() - began)
            await picture(visitor, began, found)
            for _ in range(chance.randrange(3, 9)):
                await asyncio.sleep(chance.expovariate(1 / 3))
                if monotonic() >= until:
                    break
                began = monotonic()
                if chance.random() < 0.7:
                    visitor.query |= settings()
                    values = {name: float(visitor.query[name]) for name in ("alpha", "eta")}
                    await visitor.report("live_settings", {"settings": values | {"live": False, "at": began}})
                    await picture(visitor, began, found)
                else:
                    await visitor.go_to(chance.choice(_ELSEWHERE))
                    found.pages.append(monotonic() - began)
                    await asyncio.sleep(chance.expovariate(1 / 2))
                    began = monotonic()
                    await visitor.go_to("Explorer")
                    await picture(visitor, began, None)
        except Exception as error:
            header = unpack(visitor.shown("latent_canvas") or b"\x02\0\0\0{}")[0]
            at = f"{visitor.query} at {visitor.address}, shown {header.get('content_key')}"
            found.problems.append(f"{type(error).__name__}: {error} {at}")
        finally:
            with contextlib.suppress(Exception):
                await visitor.leave()
            found.problems += visitor.problems + visitor.errors


async def picture(visitor: Visitor, began: float, found: Found | None) -> None:
    """Wait for the exact picture, and keep it."""
    shown = await visitor.until(lambda: whole(visitor), _LONGEST)
    if found is not None:
        found.exact.append(monotonic() - began)
        found.shown.append(shown)


async def watch(pid: int, found: Found, until: float) -> None:
    """Note every two seconds what the server and its processes hold."""
    began = monotonic()
    while monotonic() < until:
        held = 0
        with contextlib.suppress(psutil.Error):
            server = psutil.Process(pid)
            for process in (server, *server.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    held += process.memory_info().rss
        found.memory.append((monotonic() - began, held / 2**20))
        await asyncio.sleep(2)


async def drive(url: str, pid: int, visitors: int, seconds: float, n_samples: int, random_state: int = 0) -> Found:
    """Have so many visitors at a time for so many seconds; what they began by then they see to its end."""
    found, until = Found(), monotonic() + seconds
    watching = asyncio.create_task(watch(pid, found, until + _LONGEST))
    chances = [random.Random(f"{random_state} {i}") for i in range(visitors)]
    await asyncio.gather(*(visit(url, until, chance, n_samples, found) for chance in chances))
    watching.cancel()
    return found


async def beside_heavy(url: str, n_heavy: int, query: dict[str, str]) -> tuple[float, float]:
    """Return the seconds of a visitor's new picture alone, and beside so many open links that are `HEAVY`."""
    await one(url, query | {"alpha": "29"})  # the first one of a server waits for what it imports
    alone = await one(url, query | {"alpha": "31"})
    heavy = [Visitor(url, HEAVY | {"alpha": str(20 + i)}) for i in range(n_heavy)]
    await asyncio.gather(*(visitor.enter() for visitor in heavy))
    await asyncio.sleep(10)
    beside = await one(url, query | {"alpha": "33"})
    for visitor in heavy:
        await visitor.leave()
    return alone, beside


async def one(url: str, query: dict[str, str]) -> float:
    """Return the seconds from a link to its whole picture."""
    visitor = Visitor(url, query)
    began = monotonic()
    await visitor.enter()
    await visitor.until(lambda: whole(visitor), _LONGEST)
    took = monotonic() - began
    await visitor.leave()
    return took


@contextlib.contextmanager
def server(*flags: str) -> Iterator[tuple[str, int]]:
    """Start the app as `dr-transformer app` does; yields its address and the number of its process.

    A traceback in its log is an error.
    """
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "dr_transformer", "app", "--headless", "--port", str(port), *flags]
        log = Path(folder) / "log"
        with serve(command, port, ROOT, log_file=log) as url:
            here = psutil.Process()
            pid = next(p.pid for p in here.children(recursive=True) if any(str(port) == a for a in _command(p)))
            yield url, pid
            assert "Traceback" not in (said := log.read_text(errors="replace")), said[-8000:]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
