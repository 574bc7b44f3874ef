"""The files of `deploy/` and the app agree: what nginx lets through is what the app takes, under one path."""

import re
from pathlib import Path

from dr_transformer.cli.commands import _parser
from dr_transformer.ui.caps import STRICT

ROOT = Path(__file__).parents[1]
NGINX = (ROOT / "deploy/nginx.conf").read_text()
SERVICE = (ROOT / "deploy/dr-transformer.service").read_text()


def setting(name: str) -> str:
    found = re.search(rf"^Environment={name}=(.*)$", SERVICE, re.M)
    assert found
    return found.group(1)


def test_both_have_one_name_path_and_port() -> None:
    assert f"location /{setting('STREAMLIT_SERVER_BASE_URL_PATH')}/ {{" in NGINX
    assert f"server_name {setting('STREAMLIT_BROWSER_SERVER_ADDRESS')};" in NGINX
    command = re.search(r"^ExecStart=\S+/dr-transformer (.*)$", SERVICE, re.M)
    assert command
    options = _parser().parse_args(command.group(1).split())
    assert options.public
    assert options.address == "127.0.0.1"
    assert f"proxy_pass http://127.0.0.1:{options.port};" in NGINX


def test_the_largest_file_that_the_app_takes_passes() -> None:
    allowed = re.search(r"client_max_body_size (\d+)m;", NGINX)
    assert allowed
    assert STRICT.upload < int(allowed.group(1)) * 2**20 < 2 * STRICT.upload


def test_the_page_may_load_its_own_alone() -> None:
    policy = re.search(r'Content-Security-Policy "([^"]*)" always;', NGINX)
    assert policy
    sources = dict(part.strip().split(" ", 1) for part in policy.group(1).split(";"))
    assert sources["default-src"] == "'self'"
    assert sources["frame-ancestors"] == "'none'"
    assert not re.search(r"https?:|\*|'unsafe-eval'", policy.group(1))
    assert "wasm-unsafe-eval" in sources["script-src"]  # the model in the browser
