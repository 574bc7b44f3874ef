"""Compute on a Dask cluster that exists, as for a class or a department: `dr-transformer app --scheduler ADDRESS`.

Each place where the app computes is an actor, `Host`, on one of the cluster's workers: a `worker.Worker` as in the
app's own process, whose messages travel over Dask's connections, so that Dask's settings for TLS hold for them. Latents
stay on the worker. distributed is needed here alone: pip install 'dr-transformer[cluster]'.
"""

from __future__ import annotations

import asyncio
import pickle
import queue
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from dr_transformer.engine.process.place import Place
from dr_transformer.engine.process.worker import Worker
from dr_transformer.errors import InputError
from dr_transformer.hardware.allocator import keep_for_reuse

if TYPE_CHECKING:
    from distributed import Client

_TIMEOUT = 20.0  # seconds for the scheduler to answer
_LONGEST = 5.0  # seconds that a question for news stays open


class Host:
    """The end of the line on a Dask worker: an actor, whose methods the app calls."""

    def __init__(self) -> None:
        import torch
        from distributed import get_worker

        # Dask starts its workers with one OpenMP thread each, and says how many of them may be used.
        torch.set_num_threads(get_worker().state.nthreads)
        keep_for_reuse()
        self._in: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._out: deque[bytes] = deque()
        self._news: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        threading.Thread(target=Worker(self).run, name="host", daemon=True).start()

    def recv(self) -> Any:
        """Return the app's next message; raises `EOFError` when it has gone."""
        message = self._in.get()
        if message is None:
            raise EOFError
        return pickle.loads(message)

    def send(self, message: object) -> None:
        """Keep a message until the app asks."""
        self._out.append(pickle.dumps(message))
        if self._loop is not None and self._news is not None:
            self._loop.call_soon_threadsafe(self._news.set)

    def hear(self, message: bytes | None) -> None:
        """Take a message of the app, or None: it goes."""
        self._in.put(message)

    async def say(self) -> list[bytes]:
        """Return the messages since the last time, as soon as there are some; an empty list after a while."""
        if self._news is None:
            self._loop, self._news = asyncio.get_running_loop(), asyncio.Event()
        if not self._out:
            self._news.clear()
            if not self._out:  # none came in between
                try:
                    await asyncio.wait_for(self._news.wait(), _LONGEST)
                except TimeoutError:
                    return []
        return [self._out.popleft() for _ in range(len(self._out))]


class _Line:
    """The app's end, like a `multiprocessing.Connection`."""

    def __init__(self, host: Any) -> None:
        self._host = host
        self._come: deque[bytes] = deque()
        self._closed = False

    def send(self, message: object) -> None:
        self._asked("hear", pickle.dumps(message))

    def recv(self) -> Any:
        while not self._come:
            if self._closed:
                raise EOFError
            self._come.extend(self._asked("say"))
        return pickle.loads(self._come.popleft())

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._asked("hear", None)

    def _asked(self, what: str, *arguments: object) -> Any:
        try:
            return getattr(self._host, what)(*arguments).result()
        except Exception as error:  # whatever Dask says of a worker or scheduler that has gone
            raise EOFError(str(error)) from error


class Cluster:
    """A Dask cluster by its scheduler's address. With several workers a second place takes what can wait."""

    def __init__(self, address: str) -> None:
        """Raise `InputError` where there is none."""
        try:
            from distributed import Client
        except ModuleNotFoundError:
            raise InputError(
                "a scheduler needs Dask, which is not installed; pip install 'dr-transformer[cluster]'."
            ) from None
        try:
            self._client: Client = Client(address, timeout=_TIMEOUT)
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"no Dask scheduler answers at {address!r} ({error}); check the address.") from error

    def start(self, which: int) -> Place:
        """Start a place on the cluster's worker of that number, counted in the order of their addresses, around."""
        workers = sorted(self._client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            raise InputError("the Dask cluster has no workers; start some with dask worker.")
        future = self._client.submit(Host, actor=True, pure=False, workers=[workers[which % len(workers)]])
        line = _Line(future.result(timeout=_TIMEOUT * 6))  # it imports torch at first
        return Place(line, line.close, None)

    @property
    def n_workers(self) -> int:
        """How many there are now."""
        return len(self._client.scheduler_info(n_workers=-1)["workers"])

    def close(self) -> None:
        """Leave the cluster, which goes on."""
        self._client.close()
