"""Where the rows of the page "Graph diffusion" come from: this project's files, the visitor's, runs made here."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dr_transformer.errors import InputError
from dr_transformer.paths import asset
from dr_transformer.training.pairs import Comparison, Group, compare, group_rows
from dr_transformer.training.results import Row, check_results, parse_results
from dr_transformer.ui.text import escaped, refusal

MAX_MEGABYTES = 64
_FILES = "diffusion_files"


@dataclass(frozen=True)
class Source:
    """Rows of one origin, and what of it could not be used. `key` is equal only for equal rows."""

    key: Hashable
    rows: tuple[Row, ...]
    problems: tuple[str, ...] = ()


def shipped() -> Source:
    """Return the rows of the results files that come with the program."""
    folder = asset("results")
    files = sorted(folder.glob("*.jsonl")) if folder.is_dir() else []
    return _joined([(path.name, path.read_bytes()) for path in files])


def uploaded() -> Source:
    """Ask for the visitor's files, and keep them: the uploader of a later visit to the page knows nothing of them."""
    files = st.file_uploader(
        "Results files (.jsonl)",
        type=["jsonl"],
        accept_multiple_files=True,
        key="diffusion_upload",
        max_upload_size=MAX_MEGABYTES,
        help="What `dr-transformer train` wrote, of one machine or of several; a run in two files counts once.",
    )
    if files:
        st.session_state[_FILES] = [(file.name, file.getvalue()) for file in files]
    kept: list[tuple[str, bytes]] = st.session_state.get(_FILES, [])
    if kept and not files:
        st.caption(f"In use: {', '.join(escaped(name) for name, _ in kept)}.")
    return _joined(kept)


def analysed(source: Source) -> list[tuple[Group, list[Comparison]]]:
    """Return groups of runs that may be compared, and their comparisons."""
    return _analysed(source.key, source.rows)


def _joined(files: Sequence[tuple[str, bytes]]) -> Source:
    """Return all rows of the files that can be read; each that cannot, and each that is torn, is one sentence."""
    rows: list[Row] = []
    problems = []
    hashes = []
    for name, content in files:
        try:
            found, torn, digest = _read(name, _Content(content))
        except InputError as error:
            problems.append(refusal(str(error)))
            continue
        rows += found
        hashes.append(digest)
        if torn:
            problems.append(
                f"The last {torn} bytes of {escaped(name)} are no whole row, as after a kill; they are left out."
            )
        if not found:
            problems.append(f"{escaped(name)} has no rows.")
    return Source(("files", *hashes), tuple(rows), tuple(problems))


class _Content(bytes):
    """Bytes that are hashed whole: two files share a cache entry only if they are equal."""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs={_Content: _digest})
def _read(name: str, content: _Content) -> tuple[tuple[Row, ...], int, str]:
    results = parse_results(content, name)
    check_results(results, name)
    return results.rows, results.torn, _digest(content)


@st.cache_resource(max_entries=32, show_spinner=False)
def _analysed(key: Any, _rows: tuple[Row, ...]) -> list[tuple[Group, list[Comparison]]]:  # noqa: ARG001 - the cache's
    return [(group, compare(group)) for group in group_rows(_rows)]
