"""Reading in a process of its own, which has a limit on its memory and on its time.

A file of some hundred bytes can ask a library for gigabytes, or break it; what then ends is not the server.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

import numpy as np

from dr_transformer.data.reading.files import read_table, with_metadata
from dr_transformer.data.reading.rows import Choice, Table
from dr_transformer.errors import InputError

_SECONDS = 120
_PER_BYTE = (
    8  # of what may be held at once: the file, its columns as float64, the array, and what makes one of the other
)
BREAKING = (".mat", ".h5ad")
"""Files whose libraries, in C, end their process at some damage."""
_ARRAYS = ("Y", "labels", "pictures", "trajectory")


def read_apart(
    filename: str, content: bytes, choice: Choice, max_bytes: int, metadata: tuple[str, bytes] | None = None
) -> Table:
    """Do as `read_table` in a new process, which may take eight times `max_bytes` beside what its libraries do.

    And then as `with_metadata`, with name and bytes of `metadata`. Raises `InputError` also if that is not enough, and
    after two minutes.
    """
    labels = metadata or ("", b"")
    asked = {"filename": filename, "choice": asdict(choice), "max_bytes": max_bytes}
    asked |= {"metadata": labels[0], "split": len(content)}
    command = [sys.executable, "-c", f"from {__name__} import main; main()"]
    sent = json.dumps(asked).encode() + b"\n" + content + labels[1]
    try:
        done = subprocess.run(command, input=sent, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"{filename} takes more than {_SECONDS} s to read; give a part of it.") from None
    if done.returncode != 0 or not done.stdout:
        raise InputError(
            f"{filename} cannot be read: the process that read it has ended, so it is damaged, or takes more memory "
            "than there is for a file; save it again, or give a part of it."
        )
    stream = io.BytesIO(done.stdout)
    answer: dict[str, Any] = json.loads(stream.readline())
    if "refusal" in answer:
        refusal = InputError(answer["refusal"])
        refusal.columns = tuple(answer["columns"])
        raise refusal
    arrays: dict[str, Any] = {
        name: np.lib.format.read_array(stream, allow_pickle=False) for name in answer.pop("arrays")
    }
    shape = answer.pop("image_shape")
    dropped = tuple((name, why) for name, why in answer.pop("dropped"))
    return Table(
        arrays["Y"],
        arrays.get("labels"),
        tuple(answer["class_names"]),
        (shape[0], shape[1]) if shape else None,
        arrays.get("pictures"),
        arrays.get("trajectory"),
        tuple(answer["columns"]),
        answer["label"],
        dropped,
        tuple(answer["said"]),
    )


def _limit(most: int) -> None:
    """Let this process have so many bytes of data beside those it has, where the system knows such a limit (Linux)."""
    try:
        import resource
        from pathlib import Path

        status = Path("/proc/self/status").read_text()
        taken = 1024 * int(status.partition("VmData:")[2].split()[0])
        resource.setrlimit(resource.RLIMIT_DATA, (taken + most, taken + most))
    except (ImportError, OSError, ValueError, IndexError):
        return


def main() -> None:
    """Read what is asked for on the standard input, and write the table, or the refusal, to the standard output."""
    asked = json.loads(sys.stdin.buffer.readline())
    content = sys.stdin.buffer.read(asked["split"])
    metadata = sys.stdin.buffer.read()
    choice = Choice(asked["choice"]["label"], tuple(asked["choice"]["drop"]))
    import pandas as pd  # noqa: F401  its own memory is not the file's
    import pyarrow as pa

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    _limit(_PER_BYTE * asked["max_bytes"])
    out = sys.stdout.buffer
    try:
        with contextlib.redirect_stdout(sys.stderr):
            table = read_table(asked["filename"], content, choice, asked["max_bytes"])
            if asked["metadata"]:
                table = with_metadata(table, asked["metadata"], metadata)
    except InputError as refusal:
        out.write(json.dumps({"refusal": str(refusal), "columns": refusal.columns}).encode() + b"\n")
        return
    there = [name for name in _ARRAYS if getattr(table, name) is not None]
    fields = ("class_names", "image_shape", "columns", "label", "dropped", "said")
    out.write(json.dumps({"arrays": there, **{name: getattr(table, name) for name in fields}}).encode() + b"\n")
    for name in there:
        np.lib.format.write_array(out, np.ascontiguousarray(getattr(table, name)), allow_pickle=False)
