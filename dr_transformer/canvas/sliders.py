"""The sliders beside the picture, α and η, as `assets/live/controls.js` makes them."""

from __future__ import annotations

from typing import Any

from dr_transformer.config import PARAMETERS, Config

_MARKS = {
    "alpha": ({"at": 1, "text": "1", "title": ""}, {"at": 300, "text": "300", "title": ""}),
    "eta": ({"at": 0.5, "text": "½", "title": "η = ½: graph diffusion's step would leave nothing of X here"},),
}
_SYMBOLS = {"alpha": "α", "eta": "η"}


def slider(name: str, value: float) -> dict[str, Any]:
    """Declare the slider of a parameter, at `value`: label, help, range, marks and the paper's value."""
    parameter, symbol = PARAMETERS[name], _SYMBOLS[name]
    low, high = parameter.widget_range or (0.0, 1.0)
    paper = Config.parameters()[name].default
    return {
        "name": name,
        "label": parameter.label,
        "symbol": symbol,
        "help": parameter.help,
        "low": low,
        "high": high,
        "step": parameter.step,
        "logarithmic": name == "alpha",
        "value": value,
        "paper": paper,
        "marks": [{"at": paper, "text": f"{paper:g}", "title": f"the paper's {symbol}"}, *_MARKS[name]],
    }
