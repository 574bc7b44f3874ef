"""Damage files of every kind a user may give, for so many minutes a kind, and see that each is read or refused.

    python scripts/fuzz_readers.py --minutes 10 [--kind .csv]

What is found wrong is written as a file beside its traceback, to become a case in `tests/data/reading/`.
"""

from __future__ import annotations

import argparse
import gzip
import io
import sys
import time
import traceback
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from dr_transformer.data.drawing import token_from_png
from dr_transformer.data.reading.apart import BREAKING, read_apart
from dr_transformer.data.reading.files import read_table
from dr_transformer.data.reading.rows import Choice
from dr_transformer.errors import InputError
from dr_transformer.lessons.format import read_lesson

_MOST = 2**26  # bytes of an array
_SLOW = 5.0  # seconds for a file of some hundred bytes
_SPECIAL = [
    b"",
    b"\0",
    b"\xff",
    b'"',
    b"'",
    b",",
    b";",
    b"\t",
    b"\r",
    b"\n\n",
    b"-1",
    b"1e999",
    b"nan",
    b"9" * 30,
    b"\xe9",
]
_SPECIAL += [b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\0\0\0\0", b"label", b"'=1", b"&a [*a,*a]", b"\xed\xa0\x80"]


def seeds() -> dict[str, list[bytes]]:
    """A few good files of each kind, small."""
    import pyarrow as pa
    from pyarrow import feather, parquet
    from scipy import io as scipy_io
    from scipy import sparse

    Y = np.random.RandomState(0).rand(6, 4)
    labels = ["a", "b", "c"] * 2
    table = pa.table({"x": Y[:, 0], "v": pa.array(Y.tolist(), pa.list_(pa.float64())), "label": labels})
    files: dict[str, list[bytes]] = {}

    def add(kind: str, content: bytes) -> None:
        files.setdefault(kind, []).append(content)

    def saved(write: object, *given: object, **named: object) -> bytes:
        out = io.BytesIO()
        write(out, *given, **named)  # type: ignore[operator]
        return out.getvalue()

    add(".npy", saved(np.save, Y))
    add(".npz", saved(np.savez, X=Y, y=np.array(labels)))
    add(".npz", saved(sparse.save_npz, sparse.csr_array(Y.round())))
    add(".csv", b"id;a;b;label\n" + b"".join(b"%d;%d,5;%d;x%d\n" % (i, i, i, i % 2) for i in range(6)))
    add(".csv", "a,b\n1,2\n3,4\n".encode("utf-16"))
    add(".txt", b"# a b\n1 2\n3 4\n5 6\n")
    add(".csv.gz", gzip.compress(b"a,b\n1,2\n3,4\n"))
    for compression in ("none", "snappy", "zstd"):
        add(".parquet", saved(lambda out, how=compression: parquet.write_table(table, out, compression=how)))
    add(".feather", saved(lambda out: feather.write_feather(table, out)))
    add(".mat", saved(scipy_io.savemat, {"X": Y, "y": np.arange(6) % 2}))
    header = b'{"X":{"dtype":"F64","shape":[6,4],"data_offsets":[0,192]}}'
    add(".safetensors", len(header).to_bytes(8, "little") + header + Y.tobytes())
    from PIL import Image

    add(".png", saved(lambda out: Image.fromarray((Y * 255).astype(np.uint8)).save(out, "PNG")))
    for lesson in sorted((Path(__file__).parents[1] / "assets" / "lessons").glob("*.md")):
        add(".md", lesson.read_bytes()[:1500])
    return files


def read(kind: str, content: bytes) -> None:
    """Read it; anything but a result or an `InputError` of one line is an error."""
    started = time.perf_counter()
    try:
        if kind == ".png":
            token_from_png(content)
        elif kind == ".md":
            read_lesson("a", content.decode("utf-8", "replace"))
        else:
            apart = kind in BREAKING
            table = (read_apart if apart else read_table)(f"a{kind}", content, Choice(), _MOST)
            assert len(table.Y) >= 2
            assert np.isfinite(table.Y).all()
            assert table.labels is None or 0 <= table.labels.min() <= table.labels.max() < len(table.class_names)
    except InputError as refusal:
        assert "\n" not in str(refusal)  # noqa: PT017
        assert len(str(refusal)) < 1500  # noqa: PT017
    assert time.perf_counter() - started < _SLOW, "too slow"


def fuzz(kind: str, good: list[bytes], minutes: float) -> int:
    """Damage the good files for so long; returns how many were tried. Raises what is no refusal."""
    tried, last = 0, b""
    edits_of = st.lists(
        st.tuples(st.integers(0, 2**16), st.integers(0, 12), st.sampled_from(_SPECIAL) | st.binary(max_size=8)),
        max_size=5,
    )
    quick = settings(
        max_examples=200, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )

    def damaged(content: bytes, edits: list[tuple[int, int, bytes]]) -> None:
        nonlocal tried, last
        for at, taken, put in edits:
            place = at % (len(content) + 1)
            content = content[:place] + put + content[place + taken :]
        tried, last = tried + 1, content
        read(kind, content)

    end, number = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < end:
        number += 1

        def once(content: bytes, edits: list[tuple[int, int, bytes]]) -> None:
            damaged(content, edits)

        try:
            seed(number)(quick(given(st.sampled_from(good), edits_of)(once)))()
        except BaseException:
            Path(f"found{kind}").write_bytes(last)
            raise
    return tried


def main() -> int:
    """Fuzz the kinds that were asked for; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="for each kind (default: %(default)s)")
    parser.add_argument("--kind", help="one of them alone, by its ending")
    options = parser.parse_args()
    status = 0
    for kind, good in seeds().items():
        if options.kind not in (None, kind):
            continue
        try:
            print(kind, fuzz(kind, good, options.minutes), "files, each read or refused", flush=True)
        except Exception:
            traceback.print_exc()
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
