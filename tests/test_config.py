"""Parameters: declared once, validated with one sentence, the same in flag, link and file."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_transformer import Config, DataConfig, InputError


def test_defaults_are_the_papers_values() -> None:
    paper = {"n_components": 128, "n_blocks": 8, "alpha": 30.0, "eta": 0.4, "random_state": 42, "mask_self": True}
    assert {name: getattr(Config(), name) for name in paper} == paper
    assert DataConfig() == DataConfig("mnist", None)


@pytest.mark.parametrize("declared", [Config, DataConfig])
def test_every_parameter_is_said_to_people(declared: type[Config]) -> None:
    for name, parameter in declared.parameters().items():
        assert parameter.name == name
        assert parameter.label
        assert parameter.help.endswith(".")
        assert parameter.check(parameter.default) == parameter.default
        assert parameter.parse(str(parameter.default)) == parameter.default
        if parameter.widget_range:
            assert all(parameter.check(parameter.type(bound)) == bound for bound in parameter.widget_range)


@given(
    st.builds(
        Config,
        n_blocks=st.integers(1, 64),
        alpha=st.floats(1e-3, 1e6),
        eta=st.floats(0.001, 1).filter(lambda eta: eta != 0.5),
        n_components=st.integers(2, 4096),
        mask_self=st.booleans(),
        graph_diffusion=st.booleans(),
        activation=st.sampled_from(["none", "relu"]),
        random_state=st.integers(0, 2**32 - 1),
    )
)
def test_settings_survive_json_and_text(config: Config) -> None:
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    texts = {name: str(value) for name, value in config.to_dict().items()}
    assert Config(**{name: Config.parameters()[name].parse(text) for name, text in texts.items()}) == config
    assert hash(Config.from_dict(config.to_dict())) == hash(config)


def test_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().alpha = 3.0  # type: ignore[misc]


def test_an_unknown_setting_is_one_sentence() -> None:
    with pytest.raises(InputError, match=r"unknown setting 'kappa': it is not a parameter of this version\."):
        Config.from_dict({"kappa": 30})


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("alpha", "thirty", "alpha must be a number"),
        ("alpha", "inf", "alpha must be a finite number"),
        ("alpha", "nan", "alpha must be a finite number"),
        ("n_blocks", "8.5", "n_blocks must be a whole number"),
        ("n_blocks", "2000", "n_blocks must be at most 1024"),
        ("mask_self", "1", "mask_self must be true or false"),
        ("eta", "0", "eta must be greater than 0"),
        ("eta", "1.01", "eta must be at most 1"),
        ("random_state", "-1", "random_state must be at least 0"),
    ],
)
def test_bad_text_is_one_sentence(name: str, text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Config.parameters()[name].parse(text)


def test_eta_one_half() -> None:
    with pytest.raises(InputError, match="LayerNorm would divide 0 by 0"):
        Config(eta=0.5)
    assert Config(eta=0.5, activation="relu").eta == 0.5  # min(X, 0) is not zero


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (Config(), []),
        (Config(eta=0.7), ["above ½"]),
        (Config(eta=0.502), ["above ½", "so near ½"]),
        (Config(eta=0.498), ["so near ½"]),
        (Config(eta=0.7, activation="relu"), []),
    ],
)
def test_notes_say_what_to_expect(config: Config, said: list[str]) -> None:
    notes = list(config.notes())
    assert len(notes) == len(said)
    assert all(part in note for part, note in zip(said, notes, strict=True))
