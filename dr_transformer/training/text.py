"""Where text comes from: the user's file, tiny Shakespeare, or token files as nanoGPT prepares them."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dr_transformer.data.mnist import DOWNLOAD_TIMEOUT, cache_folder, count
from dr_transformer.errors import InputError, brief
from dr_transformer.paths import in_place_of
from dr_transformer.training.data import DataInfo, TextData
from dr_transformer.types import Say

SHAKESPEARE_URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
MAX_NAMED = 10  # characters in a sentence
TRAIN_SHARE = 0.9  # nanoGPT, data/shakespeare_char/prepare.py
MAX_TEXT_BYTES = 2**30
_EDGE = 2**20
GPT2_TOKENS = 50257


def load_text(path: Path | None, say: Say) -> TextData:
    """Characters of a UTF-8 file, or of tiny Shakespeare: the first nine tenths to learn from, the rest to validate on.

    The vocabulary is the characters of the training part, in the order of their code points. Raises `InputError`, also
    where the rest has a character that the training part does not have.
    """
    content, name, source = _shakespeare(say) if path is None else _read(path)
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 == SHAKESPEARE_SHA256:
        name = "tiny Shakespeare"
    say(f"{name}: {source}.")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is no UTF-8 text ({brief(error)}); save it as UTF-8.") from error
    if not text:
        raise InputError(f"{name} is empty; give a text.")
    return characters(text, name, source, sha256)


def characters(text: str, name: str, source: str, sha256: str) -> TextData:
    """Do as `load_text`, of a text in memory."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    n_train = int(TRAIN_SHARE * len(points))
    vocabulary = np.unique(points[:n_train])
    unseen = np.setdiff1d(points[n_train:], vocabulary)
    if len(unseen):
        named = ", ".join(repr(chr(point)) for point in unseen[:MAX_NAMED])
        what = "character is" if len(unseen) == 1 else "characters are"
        others = f" and {len(unseen) - MAX_NAMED} more" if len(unseen) > MAX_NAMED else ""
        raise InputError(
            f"{len(unseen)} {what} in the last tenth of {name}, which validates, but not before it, where the model "
            f"learns: {named}{others}; take them out of the text, or add text that has them before its last tenth."
        )
    tokens = np.searchsorted(vocabulary, points).astype(np.uint32)
    info = DataInfo(name, source, sha256, "the text", n_train, len(tokens) - n_train)
    return TextData(tokens[:n_train], tokens[n_train:], len(vocabulary), info)


def load_tokens(folder: Path, say: Say) -> TextData:
    """`train.bin` and `val.bin` of nanoGPT's data/openwebtext/prepare.py: GPT-2's tokens as uint16, never read whole.

    Raises `InputError`.
    """
    parts, edges, sizes = [], hashlib.sha256(), []
    for name in ("train.bin", "val.bin"):
        tokens = _memory_map(folder / name)
        parts.append(tokens)
        sizes.append(len(tokens))
        edges.update(f"{name} {len(tokens)} ".encode())
        edges.update(tokens[: _EDGE // 2].tobytes() + tokens[-_EDGE // 2 :].tobytes())
    source = f"{count(sizes[0])} tokens to learn from, {count(sizes[1])} to validate on"
    say(f"Token files: {source}.")
    info = DataInfo(
        "token files", source, edges.hexdigest(), "sizes, first and last MiB of train.bin and val.bin", *sizes
    )
    return TextData(parts[0], parts[1], GPT2_TOKENS, info)


def _memory_map(path: Path) -> npt.NDArray[np.uint16]:
    try:
        size = path.stat().st_size
        if size == 0 or size % 2:
            raise InputError(f"{path.name} has {size} bytes, but uint16 tokens take two each; prepare it again.")
        return np.memmap(path, dtype="<u2", mode="r")
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({_reason(error)}); give the folder of train.bin and val.bin."
        ) from error


def _read(path: Path) -> tuple[bytes, str, str]:
    try:
        size = path.stat().st_size
        if size > MAX_TEXT_BYTES:
            raise InputError(f"{path.name} has more than {MAX_TEXT_BYTES // 2**30} GiB; give a part of it.")
        return path.read_bytes(), path.name, "from a file"
    except OSError as error:
        raise InputError(f"the text {path} cannot be read ({_reason(error)}); check its path.") from error


def _shakespeare(say: Say) -> tuple[bytes, str, str]:
    """Read it from the cache of an earlier download, or by download; either only with the right checksum."""
    try:
        cached = cache_folder() / "tinyshakespeare" / "input.txt"
        content = cached.read_bytes() if cached.is_file() else b""
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder
        cached, content = None, b""
    if hashlib.sha256(content).hexdigest() == SHAKESPEARE_SHA256:
        return content, "tiny Shakespeare", "from the cache of an earlier download"
    say("Downloading tiny Shakespeare (1 MB).")
    content = _download()
    if cached is not None:
        try:
            cached.parent.mkdir(parents=True, exist_ok=True)
            with in_place_of(cached) as partial:
                partial.write_bytes(content)
        except OSError as error:
            say(f"It could not be kept for the next time ({_reason(error)}).")
    return content, "tiny Shakespeare", "downloaded"


def _download() -> bytes:
    way_out = "give the text with --text FILE (any text will do)"
    try:
        with urllib.request.urlopen(SHAKESPEARE_URL, timeout=DOWNLOAD_TIMEOUT) as answer:
            content: bytes = answer.read(2**24)
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise InputError(f"tiny Shakespeare could not be downloaded ({brief(error)}); {way_out}.") from error
    if hashlib.sha256(content).hexdigest() != SHAKESPEARE_SHA256:
        raise InputError(f"what was downloaded is not tiny Shakespeare (its checksum differs); {way_out}.")
    return content


def _reason(error: OSError) -> str:
    return "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror or brief(error)
