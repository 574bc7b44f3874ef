"""Write the project as a web site of static files, for any host: the live page, the lessons, the reference of the API.

`python scripts/make_site.py FOLDER --url https://where.it/will/be`. Nothing in it asks another host for anything. Needs
`pip install -e '.[site]'`.
"""

from __future__ import annotations

import argparse
import html
import shutil
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import urlencode

import latex2mathml.converter
import pdoc
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import dr_transformer  # noqa: E402
from dr_transformer.cli.commands import main as command  # noqa: E402
from dr_transformer.lessons import format as lesson_format  # noqa: E402
from dr_transformer.lessons.format import FIELDS, Lesson, Step, shipped_lessons  # noqa: E402
from dr_transformer.paths import asset, asset_text  # noqa: E402

N_SAMPLES = 2000  # as the lessons have
ABOUT = "Attention, with weights set by hand and never trained, gathers handwritten digits into clusters. Drag and see."
IN_FRAME = {"alpha", "eta", "n_blocks", "n_components", "random_state", "n_heads", "mask_self", "graph_diffusion"}
LOOK = ("--palette", "petroff10", "--point-size", "4", "--class-names", "--titles")
API = ("dr_transformer", "!dr_transformer.ui", "!dr_transformer.cli", "!dr_transformer.engine", "!dr_transformer.bench")


def markdown(text: str) -> str:
    """HTML of Markdown; formulas become MathML, and HTML in it stays text."""

    def formula(tex: str, how: Mapping[str, Any]) -> str:
        return latex2mathml.converter.convert(tex, display="block" if how["display_mode"] else "inline")

    reader = MarkdownIt("commonmark", {"html": False}).enable("table").use(dollarmath_plugin, renderer=formula)
    return str(reader.render(text))


def nav(up: str) -> str:
    """Links to all parts; `up` leads to the site's first folder."""
    parts = {"index.html": "The live page", "lessons/index.html": "Lessons", "lessons/writing.html": "Write a lesson"}
    parts["api/index.html"] = "API"
    links = "".join(f'<a href="{up}{path}">{name}</a>' for path, name in parts.items())
    return f"<nav>{links}</nav>"


def preview(title: str, about: str, url: str) -> str:
    """Return what a link to the site shows where people talk; a picture's address there must be whole."""
    said = {"og:title": title, "og:description": about, "og:type": "website"}
    if url:
        said |= {"og:url": url, "og:image": f"{url.rstrip('/')}/preview.png", "twitter:card": "summary_large_image"}
    tags = [f'<meta name="description" content="{html.escape(about)}">']
    tags += [f'<meta property="{name}" content="{html.escape(value)}">' for name, value in said.items()]
    return "\n".join(tags)


def page(title: str, body: str, *, up: str, about: str, url: str) -> str:
    """Return one page of text."""
    style = asset_text("web_page/page.css") + (ROOT / "scripts/site/site.css").read_text()
    return Template((ROOT / "scripts/site/page.html").read_text()).substitute(
        title=html.escape(title),
        head=preview(title, about, url) + icon(up),
        style=style,
        nav=nav(up),
        body=body,
    )


def icon(up: str) -> str:
    """Return the link to the site's icon."""
    return f'\n<link rel="icon" href="{up}icon.svg">'


def front_door(folder: Path, url: str) -> None:
    """The live page, with links to the rest, and the picture of the preview."""
    target = folder / "index.html"
    assert command(["web", str(target), "--n-samples", str(N_SAMPLES)]) == 0
    style = f"<style>{(ROOT / 'scripts/site/site.css').read_text()}</style>"
    title = "A transformer that was never trained"
    text = target.read_text(encoding="utf-8")
    policy = "img-src data: blob:"
    assert text.count("</head>") == text.count("<main>") == text.count(policy) == 1
    text = text.replace(policy, f"{policy} 'self'")  # the icon
    text = text.replace("</head>", f"{style}\n{preview(title, ABOUT, url)}{icon('')}\n</head>")
    target.write_text(text.replace("<main>", f"<main>\n{nav('')}"), encoding="utf-8")
    picture = ["figure", str(folder / "preview.png"), "--n-samples", str(N_SAMPLES), "--width", "12", "--height", "6.3"]
    assert command([*picture, "--dpi", "100", *LOOK]) == 0


def framed(settings: Mapping[str, Any], depth: float | None, title: str) -> str:
    """The live page at these settings, in a frame; a sentence where it cannot show them."""
    wanted = {name: value for name, value in settings.items() if name != "n_samples"}
    if not wanted.keys() <= IN_FRAME or settings.get("n_samples", N_SAMPLES) != N_SAMPLES:
        return "<p><em>This step is in the app: its page shows settings that the live page does not have.</em></p>"
    values = {name: str(value).lower() if isinstance(value, bool) else value for name, value in wanted.items()}
    values |= {"embed": 1} | ({} if depth is None else {"depth": f"{depth:g}"})
    address = f"../index.html#{urlencode(values)}"
    return f'<iframe src="{html.escape(address)}" title="{html.escape(title)}" loading="lazy"></iframe>'


def step(number: int, this: Step) -> str:
    """Return one step: what it shows, or its question, what each answer is, and then text and picture."""
    parts = [f"<h2>{number}. {html.escape(this.title)}</h2>"]
    shown = this.settings if this.reveal is None else this.reveal
    depth = this.depth if this.reveal is None else this.reveal_depth
    see = (
        framed(shown, depth, this.title)
        if this.panel == "explorer"
        else f"<p><em>The app shows this step on its page {html.escape(PAGES[this.panel])}.</em></p>"
    )
    if not this.question:
        return "\n".join([*parts, markdown(this.text), see])
    parts.append(f'<p class="question">{html.escape(this.question)}</p>')
    for index, option in enumerate(this.options):
        said = "Right." if index == this.answer else "Not quite." if this.answer is not None else ""
        parts.append(f"<details><summary>{html.escape(option)}</summary><p>{said}</p></details>")
    told = markdown(this.explanation) + markdown(this.text) + see
    return "\n".join([*parts, f"<details><summary>See what happens</summary>{told}</details>"])


PAGES = {"attention": "Inside a block", "compare": "Compare"}


def lesson_page(lesson: Lesson, following: Lesson | None, url: str) -> str:
    """Return a lesson, all its steps on one page."""
    body = [
        f'<p class="lead">{html.escape(lesson.about)} {lesson.minutes} minutes. In the app it has controls and figures '
        "of its own; the pictures here run in your browser.</p>"
    ]
    body += [step(number, this) for number, this in enumerate(lesson.steps, 1)]
    if following:
        body.append(f'<p>Next: <a href="{following.name}.html">{html.escape(following.title)}</a></p>')
    return page(lesson.title, "\n".join(body), up="../", about=lesson.about, url=url)


def lessons(folder: Path, url: str) -> None:
    """Write the lessons, their list, and how to write one."""
    folder.mkdir()
    found = shipped_lessons()
    for lesson, following in zip(found, [*found[1:], None], strict=True):
        (folder / f"{lesson.name}.html").write_text(lesson_page(lesson, following, url), encoding="utf-8")
    entries = "".join(
        f'<li><a href="{each.name}.html">{html.escape(each.title)}</a>: {html.escape(each.about)} '
        f"{each.minutes} minutes.</li>"
        for each in found
    )
    about = "Short tours for a class or for yourself: each step shows, asks and explains."
    (folder / "index.html").write_text(
        page("Lessons", f"<p>{about}</p><ul>{entries}</ul>", up="../", about=about, url=url)
    )
    (folder / "writing.html").write_text(page("Write a lesson", writing(), up="../", about=about, url=url))


def writing() -> str:
    """Return how a lesson is written: the format's own words, its fields, and a lesson as it is written."""
    fields = "".join(f"<tr><td><code>{name}</code></td><td>{markdown(says)}</td></tr>" for name, says in FIELDS.items())
    example = sorted(asset("lessons").glob("*.md"))[1].read_text(encoding="utf-8")
    return (
        f"{markdown(lesson_format.__doc__ or '')}"
        "<p>Open your file on the app's page Lessons, or start the app with <code>--lessons DIR</code>.</p>"
        f"<h2>What stands in a step's block</h2><table>{fields}</table>"
        f"<h2>A whole lesson</h2><pre>{html.escape(example)}</pre>"
    )


def reference(folder: Path) -> None:
    """Write the reference of what is public, from the docstrings."""
    for name in dr_transformer.__all__:  # which the package loads late, unseen by pdoc
        setattr(dr_transformer, name, getattr(dr_transformer, name))
    pdoc.render.configure(docformat="numpy", footer_text="dr_transformer", search=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of types that are there for type checkers alone
        pdoc.pdoc(*API, output_directory=folder)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the site into a new folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url", default="", help="where the site will be, for previews of links to it")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True)
    front_door(options.folder, options.url)
    shutil.copy(asset("icon.svg"), options.folder)
    lessons(options.folder / "lessons", options.url)
    reference(options.folder / "api")


if __name__ == "__main__":
    main()
