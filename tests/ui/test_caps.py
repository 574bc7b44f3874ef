"""A server for anybody: `dr-transformer app --public` admits less than one's own."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dr_transformer import Config, DataConfig, InputError
from dr_transformer.cli.commands import main
from dr_transformer.ui.caps import OWN, PUBLIC, STRICT, caps

ROOT = Path(__file__).parents[2]


def opened(page: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / page), default_timeout=120)
    app.query_params.update({"dataset": "digits", "n_samples": "60", "n_components": "4", "n_blocks": "2"} | query)
    app.run()
    assert not app.exception
    return app


@pytest.fixture(params=["own", "public"])
def public(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setenv(PUBLIC, "1" if request.param == "public" else "")
    return request.param == "public"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("n_samples", DataConfig(n_samples=10_001)),
        ("n_components", Config(n_components=257)),
        ("n_blocks", Config(n_blocks=33)),
    ],
)
def test_what_is_beyond_a_cap_is_refused_on_a_public_server_alone(
    name: str, settings: Config | DataConfig, public: bool
) -> None:
    assert caps() == (STRICT if public else OWN)
    if public:
        with pytest.raises(InputError, match=f"^{name} must be at most {getattr(STRICT, name)} on this server"):
            caps().admit(settings)
    else:
        assert caps().admit(settings) is settings


def test_all_that_the_parameters_declare_is_admitted_on_ones_own() -> None:
    for name in ("n_components", "n_blocks"):
        assert getattr(OWN, name) == Config.parameters()[name].maximum
    assert STRICT.admit(Config()) == Config()  # the paper's setting, always
    assert STRICT.n_samples >= 10_000


def test_the_sidebar_asks_for_no_more_tokens(public: bool) -> None:
    app = opened("app.py", dataset="mnist", n_samples="12000", n_components="2", n_blocks="1")
    assert app.number_input(key="n_samples").max == (10_000 if public else 70_000)
    assert app.number_input(key="n_samples").value == (10_000 if public else 12_000)


def test_a_larger_file_is_refused_in_a_sentence(public: bool) -> None:
    file = io.BytesIO()
    np.savez_compressed(file, X=np.zeros((2**20 + 1 + public, 2)) + np.arange(2))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.query_params.update({"dataset": "your own file", "n_samples": "60", "n_components": "4", "n_blocks": "2"})
    app.session_state["upload"] = ("wide.npz", file.getvalue())
    app.run()
    assert not app.exception
    assert len(app.error) == public
    if public:
        assert "too large" in app.error[0].value


def test_nothing_is_trained_or_measured_for_strangers(public: bool) -> None:
    performance = opened("pages/3_Performance.py")
    assert [button.key for button in performance.main.button if button.key == "bench_run"] == ["bench_run"] * (
        not public
    )
    options = opened("pages/6_Graph_diffusion.py").main.button_group(key="diffusion_from").options
    assert len(options) == 3 - public


def test_a_phase_diagram_is_small(public: bool) -> None:
    inside = AppTest.from_file(str(ROOT / "pages/4_Inside_a_block.py"), default_timeout=120)
    inside.query_params.update({"dataset": "digits", "n_samples": "1500", "n_components": "4", "n_blocks": "2"})
    inside.session_state["inside_section"] = "Phase diagram"
    inside.run()
    assert not inside.exception
    assert {int(o.split(" ")[0]) for o in inside.selectbox(key="phase_resolution").options} <= (
        {7, 13} if public else {7, 13, 25, 49}
    )
    assert max(int(o.replace(" ", "").replace("\u202f", "")) for o in inside.selectbox(key="phase_tokens").options) == (
        500 if public else 1500
    )


def test_the_flag_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PUBLIC, "")
    ran: list[list[str]] = []

    def begin(_: str, command: list[str]) -> None:
        ran.append(command)
        raise SystemExit

    monkeypatch.setattr(os, "execv", begin)
    with pytest.raises(SystemExit):
        main(["app", "--public", "--headless"])
    assert os.environ[PUBLIC] == "1"
    assert ran[0][ran[0].index("--server.address") + 1] == "127.0.0.1"
