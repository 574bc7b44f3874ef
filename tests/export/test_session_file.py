"""Session files: round trip, and one sentence for whatever is not one."""

import json
import pickle

import pytest

from dr_transformer import Config, DataConfig, InputError, load
from dr_transformer.config import BaselineConfig, ViewConfig
from dr_transformer.export.files import settings
from dr_transformer.export.session_file import MAX_BYTES, MAX_NOTES, dump
from dr_transformer.export.session_file import load as load_session
from dr_transformer.export.settings import SCHEMA

DATA = load("digits", 50)
CONFIG = Config(n_blocks=3, alpha=12.5, eta=0.123456789)
SETTINGS = settings(CONFIG, DATA, view=ViewConfig(view="pca"), baselines=BaselineConfig(beta=0.5))
NOTES = 'η near ½ …\nsecond line, "quoted" \u2028 and \U0001f9e0'


def test_round_trip() -> None:
    content = dump(SETTINGS, [7, 3, 49], NOTES, 2.25)
    found = load_session(content, "mine.session.json")
    assert found.settings.config == CONFIG
    assert found.settings.data == DataConfig("digits", 50)
    assert found.settings.data_key == DATA.key
    assert found.settings.view == ViewConfig(view="pca")
    assert found.settings.baselines == BaselineConfig(beta=0.5)
    assert (found.selection, found.notes, found.depth) == ((3, 7, 49), NOTES, 2.25)
    assert json.loads(content)["config"]["alpha"] == 12.5  # a person can read it


def test_the_least_session() -> None:
    found = load_session(dump(SETTINGS))
    assert (found.selection, found.notes, found.depth) == ((), "", None)


def changed(**session: object) -> bytes:
    found = json.loads(dump(SETTINGS, [3], "n", 1.0))
    found["session"] |= session
    return json.dumps(found).encode()


def other(**changes: object) -> bytes:
    return json.dumps(json.loads(dump(SETTINGS)) | changes).encode()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "holds settings that cannot be read; the file is damaged"),
        (b"\xff\xfe\x00", "cannot be read"),
        (dump(SETTINGS, [1, 2])[:-5], "cannot be read"),
        (b"[1, 2]", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (pickle.dumps({"session": 1}), "cannot be read"),
        (b"{}", "holds no settings of this app"),
        (other(format="another"), "holds no settings of this app"),
        (other(schema=SCHEMA + 1), "was saved by another version of this app"),
        (other(schema=None), "was saved by another version of this app"),
        (other(session=None), "holds settings, but no session"),
        (other(config={"alpha": "12"}), "alpha must be a finite number"),
        (other(config={"n_blocks": 2.5}), "n_blocks must be a whole number"),
        (other(config={"mask_self": 1}), "mask_self must be true or false"),
        (other(view={"view": "sideways"}), "view must be 'axes' or"),
        (other(data={"name": "digits", "n_samples": None, "key": ""}), "no session|names tokens|tokens do not have"),
        (changed(selection="all"), "its selection is no list of tokens"),
        (changed(selection=[1.0]), "its selection is no list of tokens"),
        (changed(selection=[True]), "its selection is no list of tokens"),
        (changed(selection=None), "its selection is no list of tokens"),
        (changed(selection=[50]), "its selection names tokens that 50 tokens do not have"),
        (changed(selection=[-1]), "its selection names tokens that 50 tokens do not have"),
        (changed(selection=[4, 4]), "names a token twice"),
        (changed(notes=5), "its notes are no text"),
        (changed(notes="x" * (MAX_NOTES + 1)), "its notes are no text"),
        (changed(depth=3.5), "its depth is none of the 3 blocks"),
        (changed(depth=-0.1), "its depth is none of the 3 blocks"),
        (changed(depth="2"), "its depth is none of the 3 blocks"),
        (changed(depth=False), "its depth is none of the 3 blocks"),
        (changed(depth=float("nan")), "its depth is none of the 3 blocks"),
    ],
)  # fmt: skip
def test_what_is_no_session_of_this_version_is_refused_in_a_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as refusal:
        load_session(content, "mine.json")
    assert str(refusal.value).startswith("mine.json ")
    assert "\n" not in str(refusal.value)


def test_too_large() -> None:
    with pytest.raises(InputError, match="more than 16 MB"):
        load_session(b" " * (MAX_BYTES + 1))
    with pytest.raises(InputError, match="shorten them"):
        dump(SETTINGS, notes="x" * (MAX_NOTES + 1))
