"""Settings in a saved figure's metadata: written, read back, and refused where they cannot be what they should."""

import io
import json
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfReader, PdfWriter

from dr_transformer import Config, DataConfig, InputError, __version__
from dr_transformer.cli.commands import main
from dr_transformer.config import BaselineConfig, ViewConfig
from dr_transformer.export.figure_config import FigureConfig
from dr_transformer.export.files import settings
from dr_transformer.export.metadata import KEYWORD, read_settings
from dr_transformer.export.settings import FORMAT, SCHEMA, from_json
from tests.export.drawings import CONFIG, N, data, drawn

OPTIONS = {"template": "strip", "dpi": 60, "palette": "petroff10", "point_size": 2.5, "titles": False, "width": 5.0}
VIEW = ViewConfig(view="fixed-pca", view_block=1)
SMALL = ["--n-samples", str(N), "--n-components", "16", "--n-blocks", "2"]


def written(**changes: object) -> bytes:
    """A PNG with this JSON as its settings."""
    found = settings(CONFIG, data()) | changes
    return png(json.dumps({name: value for name, value in found.items() if value is not None}))


def png(text: str) -> bytes:
    from PIL.PngImagePlugin import PngInfo

    info, target = PngInfo(), io.BytesIO()
    info.add_text(KEYWORD, text)
    Image.new("RGB", (2, 2)).save(target, "PNG", pnginfo=info)
    return target.getvalue()


@pytest.mark.parametrize("kind", ["pdf", "png", "svg"])
def test_what_made_a_figure_is_read_back(kind: str, tmp_path: Path) -> None:
    content = drawn(kind, VIEW, **OPTIONS).content
    path = tmp_path / "without an ending"
    path.write_bytes(content)
    for found in (read_settings(content), read_settings(path)):
        assert found.config == CONFIG
        assert found.data == DataConfig("mnist", N)
        assert found.view == VIEW
        assert found.baselines == BaselineConfig()
        assert found.figure == FigureConfig(**OPTIONS)  # type: ignore[arg-type]
        assert found.data_key == data().key
        assert found.version == __version__
    assert found.values["alpha"] == 12.5


def test_other_programs_find_the_settings_where_they_look() -> None:
    with Image.open(io.BytesIO(drawn("png", dpi=40).content)) as image:
        assert "dr-transformer" in image.info["Description"]
        assert json.loads(image.info[KEYWORD])["versions"].keys() >= {"dr-transformer", "numpy", "torch", "matplotlib"}
    about = PdfReader(io.BytesIO(drawn("pdf").content)).metadata
    assert about is not None
    assert about.subject.startswith("Made by dr-transformer")
    assert json.loads(about["/Keywords"])["data"]["key"] == data().key
    assert "/CreationDate" not in about


def test_a_pdf_that_another_program_saved_anew_still_has_them() -> None:
    writer, target = PdfWriter(clone_from=io.BytesIO(drawn("pdf").content)), io.BytesIO()
    writer.compress_identical_objects()
    writer.write(target)
    assert read_settings(target.getvalue()).config == CONFIG


def bomb() -> bytes:
    entities = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
    return f'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a0 "x">{entities}]><svg>&a9;</svg>'.encode()


def huge_text_png() -> bytes:
    """A compressed text chunk that would unpack to 64 MB."""
    packed = KEYWORD.encode() + b"\0\0" + zlib.compress(b"x" * 2**26)
    chunk = struct.pack(">I", len(packed)) + b"zTXt" + packed + struct.pack(">I", zlib.crc32(b"zTXt" + packed))
    content = png("{}")
    return content[:33] + chunk + content[33:]


WHOLE = {kind: drawn(kind, dpi=40).content for kind in ("pdf", "png", "svg")}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is no PNG, SVG, PDF or GIF"),
        (b"hello", "is no PNG, SVG, PDF or GIF"),
        (b"\x89PNG\r\n\x1a\n", "damaged or cut short"),
        (WHOLE["png"][:60], "damaged or cut short"),
        (WHOLE["svg"][:400], "damaged or cut short"),
        (b"%PDF-1.4\nnothing", "damaged or cut short"),
        (bomb(), "damaged or cut short"),
        (huge_text_png(), "damaged or cut short"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "holds no settings of this app"),
        (png("{}").replace(KEYWORD.encode(), b"another-prgram"), "damaged or cut short"),  # its checksum is wrong now
        (png("{}"), "holds no settings of this app"),
        (png("a note on dr-transformer"), "holds settings that cannot be read"),
        (png(f'["{FORMAT}"]'), "holds settings that cannot be read"),
        (png("[" * 50_000 + FORMAT), "holds settings that cannot be read"),
        (png(json.dumps({"format": "other", "x": FORMAT})), "holds no settings of this app"),
        (written(schema=SCHEMA + 1), "was saved by another version of this app"),
        (written(schema=None), "was saved by another version of this app"),
        (written(schema=True), "was saved by another version of this app"),
        (written(config={"alpha": "many"}), "alpha must be a finite number"),
        (written(config={"alpha": 10**400}), "alpha must be"),
        (written(config={"eta": 0.5}), "eta must not be exactly 0.5"),
        (written(config={"wings": 2}), "unknown setting 'wings': it is not a parameter of this version"),
        (written(config=[1]), "no proper 'config'"),
        (written(data={"name": "mnist"}), "lack 'n_samples'"),
        (written(data={"name": "mnist", "n_samples": 1}), "n_samples must be at least 2"),
        (written(data={"name": "mnist", "n_samples": 5, "key": 7}), "no text where text must be"),
        (written(versions="1"), "no proper 'versions'"),
        (written(figure={"template": "mosaic"}), "template must be"),
    ],
)  # fmt: skip
def test_what_is_no_figure_of_this_version_is_refused_in_a_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as refusal:
        read_settings(content, "mine.png")
    assert str(refusal.value).startswith("mine.png ")


def test_a_foreign_svg_of_any_length_is_told_from_a_damaged_one() -> None:
    body = "<g/>" * 2**18
    content = f'<svg xmlns="http://www.w3.org/2000/svg">{body}</svg>'.encode()
    assert len(content) > 2**20
    with pytest.raises(InputError, match="holds no settings of this app"):
        read_settings(content)


def test_paths_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read_settings(tmp_path / "missing.png")
    with pytest.raises(InputError, match="cannot be opened"):
        read_settings(tmp_path)
    monkeypatch.setattr("dr_transformer.export.metadata.MAX_FILE_BYTES", 10)
    with pytest.raises(InputError, match="figures of this app are smaller"):
        read_settings(b"x" * 11)
    (tmp_path / "large.png").write_bytes(b"x" * 11)
    with pytest.raises(InputError, match="figures of this app are smaller"):
        read_settings(tmp_path / "large.png")


def test_what_a_file_does_not_say_is_the_default() -> None:
    found = from_json(json.dumps({"format": FORMAT, "schema": SCHEMA}), "it")
    assert (found.config, found.data, found.view, found.figure) == (Config(), DataConfig(), ViewConfig(), None)


@pytest.mark.parametrize("kind", ["pdf", "png", "svg"])
def test_the_terminal_takes_all_settings_from_a_figure_and_flags_win(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, again, other = (tmp_path / f"{name}.{kind}" for name in ("first", "again", "other"))
    look = ["--template", "strip", "--palette", "petroff10", "--view", "pca", "--dpi", "50", "--no-titles"]
    assert main(["figure", str(first), *SMALL, "--alpha", "12.5", "--no-mask-self", *look]) == 0
    assert main(["figure", str(again), "--from", str(first)]) == 0
    assert again.read_bytes() == first.read_bytes()
    assert main(["figure", str(other), "--from", str(first), "--alpha", "30", "--titles", "--mask-self"]) == 0
    before, found = read_settings(first), read_settings(other)
    assert found.config == Config(n_components=16, n_blocks=2)
    assert found.figure == FigureConfig("strip", dpi=50, palette="petroff10", titles=True)
    assert (found.view, found.data) == (before.view, before.data) == (ViewConfig(view="pca"), DataConfig("mnist", N))
    assert "hashes differ" not in capsys.readouterr().err


def test_other_tokens_under_the_same_name_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    table = Path("mine.csv")
    table.write_text("a,b,c,label\n1,2,3,x\n3,4,0,y\n5,1,1,x\n")
    few = ["--n-components", "3", "--dpi", "40"]
    assert main(["figure", "first.png", "--dataset", str(tmp_path / table), *few]) == 0
    assert str(tmp_path).encode() not in Path("first.png").read_bytes()  # a folder's name is nobody else's business
    assert main(["figure", "again.png", "--from", "first.png"]) == 0
    assert Path("again.png").read_bytes() == Path("first.png").read_bytes()
    assert "hashes differ" not in capsys.readouterr().err
    table.write_text("a,b,c,label\n1,2,3,x\n3,4,0,y\n5,1,2,x\n")
    assert main(["figure", "again.png", "--from", "first.png"]) == 0
    assert "The tokens are not those of first.png: their hashes differ" in capsys.readouterr().err
    assert main(["figure", "no.png", "--from", str(table)]) == 2
    assert "mine.csv is no PNG, SVG, PDF or GIF" in capsys.readouterr().err
    assert not Path("no.png").exists()
