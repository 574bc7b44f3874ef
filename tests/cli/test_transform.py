"""`dr-transformer transform`: what `embed --trajectory` wrote, and a picture of a digit."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dr_transformer import Config, DataConfig, __version__, load, unroll
from dr_transformer.cli.commands import main
from dr_transformer.cli.saved_model import read_model
from dr_transformer.data.drawing import png, token_from_png
from dr_transformer.export.settings import from_json
from dr_transformer.model.new_token import majority, nearest

SMALL = ["--n-samples", "300", "--n-components", "16", "--n-blocks", "2"]
CONFIG = Config(n_components=16, n_blocks=2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "model.npz"
    assert main(["embed", str(out), "--trajectory", *SMALL]) == 0
    return out


def picture(tmp_path: Path, image: np.ndarray, size: int | None = None) -> Path:
    path = tmp_path / "digit.png"
    big = image if size is None else np.asarray(Image.fromarray(image).resize((size, size)))
    path.write_bytes(png(big))
    return path


def test_a_training_image_lands_on_exactly_its_own_latents(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = load("mnist", 300), tmp_path / "out.npz"
    image = picture(tmp_path, data.images[7])
    assert main(["transform", str(model), str(image), "--out", str(out)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["300 tokens of mnist, 2 blocks", "the picture is token 7 of the model"]
    trajectory = np.stack([s.X.numpy() for s in unroll(data.Y, CONFIG) if s.ends_block])
    with np.load(out, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["latents"], trajectory[:, 7])
        np.testing.assert_array_equal(file["image"], data.images[7])
        attended, weights, neighbours = file["attended"], file["weights"], file["neighbours"]
        settings = from_json(str(file["settings"]), "out.npz")
    assert (settings.config, settings.data) == (CONFIG, DataConfig("mnist", 300))
    assert (settings.data_key, settings.version) == (data.key, __version__)
    for block, line in enumerate(said[2:5]):
        near = nearest(trajectory[block, 7], trajectory[block], twin=7)
        np.testing.assert_array_equal(neighbours[block], near)
        label, votes = majority(data.labels[near])
        most = ", ".join(
            f"{data.labels[i]} #{i} {w:.2g}" for i, w in zip(attended[block][:5], weights[block], strict=False)
        )
        assert line == f"block {block}: nearest class {label} ({votes} of 5 neighbours), attends to {most}"
    assert said[5] == f"wrote {out}"


def test_a_larger_picture_is_scaled_and_follows(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = picture(tmp_path, 255 - load("mnist", 300).images[8], size=200)
    assert main(["transform", str(model), str(image)]) == 0
    said = capsys.readouterr().out
    assert "the picture is token" not in said
    label = load("mnist", 300).labels[8]
    assert f"block 0: nearest class {label} (" in said
    assert f"attends to {label} #8 " in said  # the image that it was made of
    saved = read_model(model)
    y = token_from_png(image.read_bytes()).reshape(1, -1)
    assert saved.landmarks.follow(y).shape == (1, 16)


def test_a_model_with_landmarks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, data = tmp_path / "m.npz", load("mnist", 300)
    assert main(["embed", str(out), "--trajectory", "--landmarks", "40", *SMALL]) == 0
    with np.load(out) as file:
        landmarks = set(file["landmarks"].tolist())
    assert main(["transform", str(out), str(picture(tmp_path, data.images[3], size=100))]) == 0
    attended = {int(word[1:]) for word in capsys.readouterr().out.split() if word.startswith("#")}
    assert attended <= landmarks


def test_pca_is_fitted_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "m.npz"
    assert main(["embed", str(out), "--trajectory", "--projection", "pca", *SMALL]) == 0
    assert main(["transform", str(out), str(picture(tmp_path, load("mnist", 300).images[5]))]) == 0
    assert "the picture is token 5 of the model" in capsys.readouterr().out


def changed(model: Path, target: Path, **arrays: object) -> Path:
    """The model with some arrays exchanged; None takes one out."""
    with np.load(model) as file:
        found = {name: file[name] for name in file.files} | arrays
    np.savez(target, **{name: array for name, array in found.items() if array is not None})
    return target


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"trajectory": None}, "holds the last block alone; run dr-transformer embed with --trajectory"),
        ({"images": None}, "holds no images"),
        ({"settings": None}, "holds no settings"),
        ({"settings": np.array("[1]")}, "settings that cannot be read"),
        ({"settings": np.array(json.dumps({"format": "other"}))}, "holds no settings of this app"),
        ({"trajectory": np.zeros((3, 300, 15), np.float32)}, "do not fit its settings"),
        ({"trajectory": np.full((3, 300, 16), np.nan, np.float32)}, "do not fit its settings"),
        ({"trajectory": np.ones((3, 300, 16), np.float32)}, "was not made by projecting its images"),
        ({"labels": np.zeros(299, int)}, "do not fit its settings"),
        ({"landmarks": np.array([0, 400])}, "do not fit its settings"),
        ({"landmarks": np.array([4, 4])}, "do not fit its settings"),
        ({"images": np.zeros((300, 8, 8), np.uint8)}, "are 8×8 uint8, not 28×28 uint8"),
        ({"images": np.zeros((300, 28, 28), np.uint8)}, "was not made by projecting its images"),
        ({"images": np.array([{}, 1], dtype=object)}, "never unpickled"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_foreign_or_damaged_model_is_one_sentence(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arrays: dict[str, object], sentence: str
) -> None:
    file = changed(model, tmp_path / "m.npz", **arrays)
    assert main(["transform", str(file), str(picture(tmp_path, load("mnist", 300).images[5]))]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_files_that_cannot_be_read_are_one_sentence(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = picture(tmp_path, load("mnist", 300).images[5])
    cut = tmp_path / "cut.npz"
    cut.write_bytes(model.read_bytes()[:5000])
    broken = io.BytesIO()
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("settings.npy", b"no array")
    (tmp_path / "broken.npz").write_bytes(broken.getvalue())
    for file, shown, sentence in [
        (tmp_path / "none.npz", image, "there is no file"),
        (cut, image, "cut.npz cannot be read, so it may be damaged"),
        (tmp_path / "broken.npz", image, "broken.npz cannot be read"),
        (image, image, "digit.png is no .npz file"),
        (model, tmp_path / "none.png", "there is no such file"),
        (model, tmp_path, "cannot be opened"),
        (model, model, "model.npz is no PNG picture"),
    ]:
        assert main(["transform", str(file), str(shown)]) == 2
        said = capsys.readouterr().err
        assert sentence in said
        assert said.count("\n") == 1
    assert main(["transform", str(model), str(image), "--out", "latents.csv"]) == 2
    assert "must end in .npz" in capsys.readouterr().err
    assert main(["transform", str(model), str(image), "--out", str(tmp_path / "no" / "l.npz")]) == 2
    assert "its folder does not exist" in capsys.readouterr().err
