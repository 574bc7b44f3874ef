"""One HTML file with the latent canvas in it: it needs no server, no network and no other file.

The same JavaScript as the app's, the same blobs, in base64. A Content-Security-Policy forbids the page any request, and
any script but its own. Whatever comes from a user's file, such as the names of classes, is escaped.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from string import Template
from typing import Any, NamedTuple

import numpy as np

from dr_transformer import __version__
from dr_transformer.canvas.attended import AttendedTable
from dr_transformer.canvas.blob import Blob, compress_images, pack_canvas, pack_extras
from dr_transformer.canvas.parts import CanvasSpec
from dr_transformer.canvas.source import CANVAS_JS, LIVE_PAGE_JS, STYLE, live_engine, source
from dr_transformer.paths import asset_text

_KEY = "page"  # of canvas and tokens: there is one of each
_LIVE_PAGE = ("web_page/live_page.js", "web_page/page.js")


class LiveParts(NamedTuple):
    """Hold what a page runs its model with: for `live_page.js`, and the first latents where it cannot make them."""

    page: Mapping[str, Any]
    tokens: bytes | None


def web_page(
    shown: CanvasSpec,
    *,
    title: str,
    settings: Mapping[str, Any],
    descriptions: Sequence[str],
    lead: str = "",
    notes: Sequence[str] = (),
    attended: AttendedTable | None = None,
    live: LiveParts | None = None,
) -> bytes:
    """Return the page, UTF-8, whose canvas shows what the app's would.

    `settings`, ready for JSON, stand in the page twice: as text, and whole in `<script id="settings">`. `descriptions`
    say in words what is to be seen at block 0, 1, …; the one of the block passed last is shown. `lead` stands under the
    title, and each of the `notes` at the foot. `attended` answers for the token that is pinned. With `live` the page
    runs its model itself.
    """
    shown = replace(shown, dataset_key=_KEY, key=_KEY)
    blobs = {"frames": _packed(pack_canvas(shown)), "extras": _packed(pack_extras(shown))}
    if attended is not None:
        blobs["attended"] = _packed(pack_attended(attended))
    if shown.images is not None:
        blobs["images"] = compress_images(shown.images, _KEY, level=9)  # compressed within
    script = "\n".join([source(CANVAS_JS), asset_text("web_page/page.js")])
    policy = ""
    if live is not None:
        script = "\n".join([source(CANVAS_JS + LIVE_PAGE_JS), live_engine(), asset_text(*_LIVE_PAGE)])
        policy = " 'wasm-unsafe-eval'; worker-src blob:"
        if live.tokens is not None:
            blobs["tokens"] = _packed(live.tokens)
    style = "\n".join([source(STYLE), asset_text("web_page/page.css")])
    _check_inlined(script, style)
    block = max(0, min(int(shown.depth), len(descriptions) - 1))
    page: dict[str, Any] = {"key": _KEY, "descriptions": list(descriptions)}
    if live is not None:
        page["live"] = live.page
    return (
        Template(asset_text("web_page/page.html"))
        .substitute(
            title=html.escape(title),
            lead=html.escape(lead),
            generator=f"dr-transformer {__version__}",
            description=html.escape(descriptions[block]),
            notes="\n".join(f"<p>{html.escape(note)}</p>" for note in notes),
            settings="".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in _listed(settings)),
            settings_json=_json(settings),
            page_json=_json(page),
            blobs="\n".join(_blob_element(name, content) for name, content in blobs.items()),
            script_hash="sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            policy=policy,
            script=script,
            style=style,
        )
        .encode()
    )


def pack_attended(table: AttendedTable) -> bytes:
    """Pack what each token attends to.

    Slot by slot, block by block, token by token, which compresses best: indices as uint16 (uint32 from 65 536 tokens
    on), the greatest weight in half precision (right to 0.05 %), and all weights in shares of it, in steps of 1/255.
    """
    n_rows, n, k = table.indices.shape
    most = table.weights[..., :1].astype(np.float16)
    shares = np.rint(255 * table.weights / np.maximum(table.weights[..., :1], np.finfo(np.float32).tiny))
    blob = Blob()
    wide = n > 2**16
    return blob.pack(
        {
            "n": n,
            "k": k,
            "depths": list(map(float, range(n_rows))),
            "wide": wide,
            "indices": blob.add(np.moveaxis(table.indices, 2, 0).astype(np.uint32 if wide else np.uint16)),
            "most": blob.add(most.view(np.uint16)),
            "shares": blob.add(np.moveaxis(shares, 2, 0).astype(np.uint8)),
        }
    )


def _packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)  # no date, so that the same settings give the same file


def _check_inlined(script: str, style: str) -> None:
    # Either would end its element early, whatever stands around it.
    assert not re.search(r"</script|<!--", script, re.IGNORECASE), "the script cannot be put into a page"
    assert "</style" not in style.lower(), "the style cannot be put into a page"


def _blob_element(name: str, content: bytes) -> str:
    kind = "application/octet-stream;base64"
    return f'<script type="{kind}" id="{name}">{base64.b64encode(content).decode()}</script>'


def _json(value: Any) -> str:
    """JSON that an HTML parser cannot take for markup: `<`, `>` and `&` only occur within strings, escaped."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _listed(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Name and value of each setting, those of a group with the group's name before theirs."""
    found: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found += _listed(value, f"{prefix}{name}: ")
        elif value is not None:
            found.append((f"{prefix}{name}", str(value)))
    return found
