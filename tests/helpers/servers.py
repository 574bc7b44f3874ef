"""Servers for tests: started on a free port, waited for, and always stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

_START_SECONDS = 90


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def serve(
    command: Sequence[str], port: int, cwd: Path, env: Mapping[str, str] | None = None, log_file: Path | None = None
) -> Iterator[str]:
    """Run a Streamlit server as `command` until the block ends; yields its URL once it says that it is healthy.

    What it says goes to `log_file`, if one is given.
    """
    with log_file.open("w+b") if log_file else tempfile.TemporaryFile() as log:
        options = {"stdout": log, "stderr": subprocess.STDOUT, "start_new_session": True}
        environment = {**(os.environ if env is None else env)}
        environment.pop("DR_TRANSFORMER_ENGINE", None)  # what AppTest's pages are told
        process = subprocess.Popen(command, cwd=cwd, env=environment, **options)
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_until_healthy(url, process)
            yield url
        except TimeoutError as error:
            log.seek(0)
            raise AssertionError(f"{error}; it said:\n{log.read().decode(errors='replace')}") from None
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # with the processes that it started itself
            process.wait()


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{url}/_stcore/health", timeout=1):
                return
        except (URLError, OSError):
            time.sleep(0.05)
    raise TimeoutError(f"the server at {url} did not start")
