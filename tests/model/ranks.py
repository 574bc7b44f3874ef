"""Real processes that run together on this machine, as several machines would; and what each of them computes.

`python -m tests.model.ranks FOLDER` is one of them: it unrolls `CASES` and saves what its rank has seen. With arguments
of commands, as JSON, it runs these one after the other, which saves starting as many processes for each.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch.distributed as dist

from dr_transformer.cli import commands as cli
from dr_transformer.config import Config
from dr_transformer.model.distributed import joined, unroll_ranks
from tests.helpers.machine import has_bfloat16
from tests.helpers.servers import free_port

CASES = {
    "paper": Config(n_components=16, n_blocks=8, precision="float32"),
    "float64": Config(n_components=16, n_blocks=8, precision="float64"),
    "others": Config(n_components=12, n_heads=3, n_blocks=3, graph_diffusion=True, activation="relu", mask_self=False),
    "bfloat16": Config(n_components=16, n_blocks=8, precision="bfloat16" if has_bfloat16() else "float32"),
    "pca": Config(n_components=8, n_blocks=2, projection="pca", precision="float32"),
}


def environment(**more: str) -> dict[str, str]:
    """Of a process on this machine alone: gloo need not find out the machine's name, and one thread is enough."""
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    root = str(Path(__file__).parents[2])
    return os.environ | {"GLOO_SOCKET_IFNAME": loopback, "OMP_NUM_THREADS": "1", "PYTHONPATH": root} | more


def torchrun(size: int, *command: str) -> tuple[int, str]:
    """The exit status of `torchrun -m command`, and what was said."""
    place = ["--master-addr", "127.0.0.1", "--master-port", str(free_port()), "--nproc-per-node", str(size)]
    launcher = [sys.executable, "-m", "torch.distributed.run", *place, "-m", *command]
    done = subprocess.run(launcher, env=environment(), capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def run_together(size: int, *commands: Sequence[str]) -> list[list[tuple[int, str, str]]]:
    """Run commands of `dr-transformer`, one after the other, by `size` processes without a launcher.

    For each command and each rank: the status, and what it said on standard output and on standard error. "{rank}"
    stands for the rank.
    """
    job = json.dumps([[str(free_port()), *command] for command in commands])
    with started(*[["tests.model.ranks", "commands", job]] * size) as processes:
        said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * size, said
    return list(zip(*(json.loads(out) for out, _ in said), strict=True))


@contextlib.contextmanager
def started(*commands: Sequence[str], size: int | None = None) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes of `python -m command`, one a rank, without a launcher; none is left at the end."""
    size, port = size or len(commands), str(free_port())
    processes = []
    try:
        for rank, command in enumerate(commands):
            place = {"RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment(**place)}
            processes.append(subprocess.Popen([sys.executable, "-m", *command], **options))
        yield processes
    finally:
        for process in processes:
            process.send_signal(signal.SIGKILL)
            process.communicate()


def unroll_cases(folder: Path) -> None:
    """Of the data tokens.npy save every block of every case, and how many bytes were gathered meanwhile."""
    Y = np.load(folder / "tokens.npy")
    gathered = 0
    all_gather = dist.all_gather

    def counting(parts, own, **more):
        nonlocal gathered
        gathered += sum(part.nbytes for part in parts)
        return all_gather(parts, own, **more)

    dist.all_gather = counting  # of latents; the ranks' messages to each other go another way
    seen = {}
    with joined(Config(), 60) as ranks:
        for name, config in CASES.items():
            gathered = 0
            seen[name] = np.stack([step.X.cpu().numpy() for step in unroll_ranks(ranks, Y, config)])
            seen[f"{name} bytes"] = np.array(gathered)
        np.savez(folder / f"{ranks.rank}.npz", **seen)
    dist.destroy_process_group()


def run_commands(commands: list[list[str]]) -> None:
    """Print as JSON what each command of `dr-transformer` returned, and what it said on both streams."""
    results = []
    for port, *arguments in commands:
        os.environ["MASTER_PORT"] = port
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = cli.main([a.replace("{rank}", os.environ["RANK"]) for a in arguments])
        results.append((status, out.getvalue(), err.getvalue()))
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    if len(sys.argv) == 2:
        unroll_cases(Path(sys.argv[1]))
    else:
        run_commands(json.loads(sys.argv[2]))
