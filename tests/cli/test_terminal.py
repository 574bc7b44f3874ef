"""What can befall a terminal and a process: none of it is a traceback, and none leaves half a file."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dr_transformer.paths import in_place_of, module_command, module_environment

SMALL = ["--n-samples", "200", "--n-blocks", "2", "--n-components", "8"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")


def command(*arguments: str, encoding: str = "utf-8", limit: Callable[[], None] | None = None) -> tuple[int, str]:
    """Exit status and what the command says, together."""
    environment = module_environment() | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [*module_command("dr_transformer"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        preexec_fn=limit,
        check=False,
    )
    text = done.stdout.decode(encoding)
    assert "Traceback" not in text
    return done.returncode, text


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_help_on_a_terminal_without_our_letters(encoding: str) -> None:
    status, text = command("figure", "--help", encoding=encoding)
    assert status == 0
    assert "--alpha" in text


def no_room() -> None:
    """Let no file of the process grow beyond 4 kB, as a full disk does."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [("animate", "a.gif"), ("animate", "a.mp4"), ("figure", "a.pdf"), ("embed", "a.npz"), ("embed", "a.csv")],
)
def test_a_full_disk_is_one_sentence_and_no_file(arguments: tuple[str, str], tmp_path: Path) -> None:
    kind, name = arguments
    status, text = command(kind, str(tmp_path / name), *SMALL, limit=no_room)
    assert status == 2
    assert "cannot" in text.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_who_reads_no_more_ends_it_quietly() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        done = subprocess.run(
            [*module_command("dr_transformer"), "embed", "x.npz", "--dry-run", *SMALL],
            stdout=pipe,
            stderr=subprocess.PIPE,
            env=module_environment(),
            check=False,
        )
    assert done.returncode == 128 + signal.SIGPIPE
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x", "9" * 5000])
def test_a_port_that_is_none(port: str) -> None:
    status, text = command("app", "--port", port)
    assert status == 2
    assert "must be a whole number from 1 to 65535" in text


def hear_ctrl_c() -> None:
    """In a process that begins: a shell has what it runs in the background, as these tests perhaps, ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_what_ends_a_command_early_leaves_no_file(number: signal.Signals, status: int, tmp_path: Path) -> None:
    started = subprocess.Popen(
        [*module_command("dr_transformer"), "animate", str(tmp_path / "a.gif"), *SMALL, "--seconds-per-block", "60"],
        stderr=subprocess.PIPE,
        env=module_environment(),
        preexec_fn=hear_ctrl_c,
    )
    for _ in range(1200):  # until it writes
        if list(tmp_path.iterdir()) or started.poll() is not None:
            break
        time.sleep(0.05)
    started.send_signal(number)
    _, said = started.communicate(timeout=60)
    assert b"Traceback" not in said
    assert started.returncode == status
    assert not list(tmp_path.iterdir())


def test_ctrl_c_while_the_program_still_starts() -> None:
    source = (
        "import os, signal, sys; sys.modules['dr_transformer.cli.commands'] = None; from dr_transformer import cli\n"
    )
    source += "class Late:\n    def find_spec(self, *_):\n        os.kill(os.getpid(), signal.SIGINT)\n"
    source += (
        "del sys.modules['dr_transformer.cli.commands']; sys.meta_path.insert(0, Late()); sys.exit(cli.main(['bench']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        env=module_environment(),
        check=False,
        preexec_fn=hear_ctrl_c,
    )
    assert (done.returncode, done.stderr) == (130, b"")


def test_a_pipe_is_written_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with in_place_of(pipe) as target:
        assert target == pipe
    assert pipe.is_fifo()
