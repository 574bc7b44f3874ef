"""Text from files, by download, and as token files; and what is wrong with them."""

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest

from dr_transformer.errors import InputError
from dr_transformer.training import text
from dr_transformer.training.settings import LMSettings
from dr_transformer.training.text import characters, load_text, load_tokens
from tests.training.tiny import changed


def test_characters_and_their_split(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    content = "aé😀b\r\n" * 20
    path.write_bytes(content.encode())
    said: list[str] = []
    data = load_text(path, said.append)
    vocabulary = sorted(set(content))
    tokens = np.array([vocabulary.index(c) for c in content])
    np.testing.assert_array_equal(data.train, tokens[:108])
    np.testing.assert_array_equal(data.val, tokens[108:])
    assert data.vocab_size == 6
    assert data.info.sha256 == hashlib.sha256(content.encode()).hexdigest()
    assert (data.info.name, data.info.n_train, data.info.n_val) == ("words.txt", 108, 12)
    assert said == ["words.txt: from a file."]


def test_nanogpts_split_of_tiny_shakespeare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the text under any name is told that it is tiny Shakespeare; 1 003 854 and 111 540 tokens."""
    stand_in = "To be, or not to be. " * 53114 + "x" * 0
    stand_in = (stand_in + " " * 1115394)[:1115394]
    monkeypatch.setattr(text, "SHAKESPEARE_SHA256", hashlib.sha256(stand_in.encode()).hexdigest())
    (tmp_path / "a.txt").write_text(stand_in)
    data = load_text(tmp_path / "a.txt", lambda _: None)
    assert (len(data.train), len(data.val), data.info.name) == (1003854, 111540, "tiny Shakespeare")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "a.txt is empty; give a text."),
        (b"ab\xff" * 50, "a.txt is no UTF-8 text"),
        (
            b"ab" * 50 + "ß".encode(),
            "1 character is in the last tenth of a.txt, which validates, but not before it, where the model learns: "
            "'ß'; take them out of the text, or add text that has them before its last tenth.",
        ),
        (b"ab" * 50 + b"\x00", "where the model learns: '\\x00'; take"),
        (b"ab" * 500 + b"4321 0987", "9 characters are in the last tenth of a.txt"),
        (b"ab" * 500 + b"yxwvutzsrq", "learns: 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z'; take"),
        (b"ab" * 500 + b"yxwvutzsrqpo", "12 characters are in"),
        (b"ab" * 500 + b"yxwvutzsrqpo", "learns: 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x' and 2 more; take"),
    ],
)
def test_bad_texts(content: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        load_text(path, lambda _: None)
    assert sentence in str(error.value)


def test_texts_shorter_than_the_context() -> None:
    """The training part, and the validation part, hold a context and the next token, or the sentence says which not."""
    settings = LMSettings(block_size=8)
    for n, part, size in [(9, "training", 8), (80, "validation", 8)]:
        data = characters("ab" * (n // 2) + "a" * (n % 2), "a.txt", "", "")
        with pytest.raises(InputError) as error:
            data.check(settings)
        assert str(error.value) == (
            f"the {part} part of a.txt has {size} tokens, too few for a context of 8; give a longer text or a smaller "
            "block_size."
        )
    data = characters("ab" * 45, "a.txt", "", "")
    data.check(settings)
    ((x, y),) = data.validation(settings, 0, 1)
    assert x.shape == y.shape == (1, 8)
    data.batch(settings, 0, 0, 0)


def test_every_window_of_the_training_part_can_be_drawn() -> None:
    data = characters("".join(chr(97 + i) for i in range(19)) + "abc", "a.txt", "", "")
    settings = changed("lm", block_size=8, batch_size=50)
    starts, last = set(), set()
    for iteration in range(20):
        x, y = data.batch(settings, 0, iteration, 0)
        assert (y == x + 1).all()
        starts |= set(x[:, 0].tolist())
        last |= set(y[:, -1].tolist())
    assert (starts, last) == (set(range(11)), set(range(8, 19)))


def test_a_vocabulary_smaller_than_the_text() -> None:
    with pytest.raises(InputError, match=r"a\.txt has 3 different tokens, but vocab_size is 2"):
        characters("abc" * 50, "a.txt", "", "").check(changed("lm", vocab_size=2))


def test_missing_and_unreadable_texts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.txt cannot be read \(there is no such file\); check its path"):
        load_text(tmp_path / "missing.txt", lambda _: None)
    with pytest.raises(InputError, match="cannot be read"):
        load_text(tmp_path, lambda _: None)
    big = tmp_path / "big.txt"
    with big.open("wb") as file:
        os.truncate(file.fileno(), 2**30 + 1)
    with pytest.raises(InputError, match=r"big\.txt has more than 1 GiB"):
        load_text(big, lambda _: None)


def test_the_download_is_checked_kept_and_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"First Citizen:\n" * 20
    asked: list[str] = []

    def answer(url: str, timeout: float) -> io.BytesIO:
        asked.append(url)
        return io.BytesIO(content)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(text.urllib.request, "urlopen", answer)
    with pytest.raises(
        InputError, match=r"what was downloaded is not tiny Shakespeare .* give the text with --text FILE"
    ):
        load_text(None, lambda _: None)
    assert not list(tmp_path.rglob("*.txt"))
    monkeypatch.setattr(text, "SHAKESPEARE_SHA256", hashlib.sha256(content).hexdigest())
    for said in ("downloaded", "from the cache of an earlier download", "from the cache of an earlier download"):
        data = load_text(None, lambda _: None)
        assert (data.info.name, data.info.source, data.info.n_train) == ("tiny Shakespeare", said, 270)
    assert asked == [text.SHAKESPEARE_URL] * 2
    (kept,) = tmp_path.rglob("input.txt")
    kept.write_bytes(b"damaged")
    assert load_text(None, lambda _: None).info.source == "downloaded"


def test_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(url: str, timeout: float) -> io.BytesIO:
        raise text.urllib.error.URLError("no network")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(text.urllib.request, "urlopen", offline)
    with pytest.raises(InputError) as error:
        load_text(None, lambda _: None)
    assert str(error.value) == (
        "tiny Shakespeare could not be downloaded (urlopen error no network); give the text with --text FILE (any text "
        "will do)."
    )


def test_token_files(tmp_path: Path) -> None:
    train, val = (np.random.default_rng(i).integers(0, 50257, n).astype("<u2") for i, n in ((0, 5000), (1, 300)))
    train.tofile(tmp_path / "train.bin")
    val.tofile(tmp_path / "val.bin")
    data = load_tokens(tmp_path, lambda _: None)
    assert isinstance(data.train, np.memmap)
    np.testing.assert_array_equal(data.train, train)
    np.testing.assert_array_equal(data.val, val)
    settings = changed("lm", vocab_size=50304)
    data.check(settings)
    x, y = data.batch(settings, 0, 0, 0)
    assert (x.shape, x.dtype) == ((4, 8), y.dtype)
    assert (data.info.n_train, data.info.n_val) == (5000, 300)
    before = data.info.sha256
    train[-1] ^= 1
    train.tofile(tmp_path / "train.bin")
    assert load_tokens(tmp_path, lambda _: None).info.sha256 != before
    np.full(100, 65535, "<u2").tofile(tmp_path / "val.bin")
    other = load_tokens(tmp_path, lambda _: None)
    with pytest.raises(InputError, match="token files has a token 65535, but vocab_size is 50304"):
        list(other.validation(settings, 0, 1))


def test_bad_token_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.bin cannot be read \(there is no such file\); give the folder"):
        load_tokens(tmp_path, lambda _: None)
    for content in (b"", b"abc"):
        (tmp_path / "train.bin").write_bytes(content)
        with pytest.raises(InputError, match=rf"train\.bin has {len(content)} bytes, but uint16 tokens take two each"):
            load_tokens(tmp_path, lambda _: None)
