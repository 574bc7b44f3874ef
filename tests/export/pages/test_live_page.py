"""The page that runs its model itself, as written; what it does in a browser is in `tests/e2e/live`."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dr_transformer import Config, load
from dr_transformer.cli.commands import main
from dr_transformer.config import ViewConfig
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.run import Run
from dr_transformer.errors import InputError
from dr_transformer.export.pages import live_page as module
from dr_transformer.export.pages.live_page import live_page


def run_of(dataset: Dataset, config: Config) -> Run:
    run = Run(dataset, config)
    run.owners.add("test")
    run.work()
    assert run.error is None
    return run


def told(content: bytes) -> dict[str, Any]:
    """Return what the page tells its script."""
    found = re.search(rb'<script type="application/json" id="page">(.*?)</script>', content, re.DOTALL)
    assert found is not None
    page: dict[str, Any] = json.loads(found[1])
    return page


def test_the_terminal_writes_it_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "live.html"
    assert main(["web", str(out), "--n-components", "16", "--n-blocks", "2", "--alpha", "20"]) == 0
    assert capsys.readouterr().out == f"wrote {out}\n"
    content = out.read_bytes()
    live = told(content)["live"]
    assert sorted(live["order"]) == list(range(1000))
    assert len(content) < 5e6
    assert live["settings"]["alpha"] == live["sliders"][0]["value"] == 20
    assert live["pixels"]
    assert b"default-src 'none'" in content
    assert b"'wasm-unsafe-eval'; worker-src blob:" in content


def test_every_beginning_of_its_order_is_balanced() -> None:
    data = load("mnist", 500)
    assert data.labels is not None
    order = told(live_page(run_of(data, Config(n_components=4, n_blocks=1)), ViewConfig()))["live"]["order"]
    for size in (50, 300, 500):
        counts = [int((data.labels[order[:size]] == label).sum()) for label in range(10)]
        assert max(counts) - min(counts) <= 1


def test_names_of_a_user_s_classes_cannot_leave_their_place() -> None:
    data = load("digits", 100)
    names = ("</script><b>", *data.class_names[1:])
    page = live_page(run_of(replace(data, class_names=names), Config(n_components=4, n_blocks=1)), ViewConfig())
    assert b"</script><b>" not in page


def test_what_a_browser_cannot_take_over_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(load("mnist", 100), Config(n_components=4, n_blocks=1))
    with pytest.raises(InputError, match="two latent axes"):
        live_page(run, ViewConfig(view="pca"))
    monkeypatch.setattr(module, "MOST_LIVE_TOKENS", 99)
    with pytest.raises(InputError, match="at most 99 tokens"):
        live_page(run, ViewConfig())
    with pytest.raises(InputError, match="not finished"):
        live_page(Run(load("mnist", 100), Config()), ViewConfig())
