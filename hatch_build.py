"""Puts the app, its pages and assets into the wheel as `dr_transformer/_app`, but not into an editable install, which
runs them from the checkout.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

APP = ("app.py", "pages", "assets", ".streamlit/config.toml")


class AppIntoWheel(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":
            build_data["force_include"] |= {path: f"dr_transformer/_app/{path}" for path in APP}
