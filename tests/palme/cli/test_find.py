"""`palme find`: moments of a data set by words or by a picture, on a page that a person can look at."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from palme.cli.main import main
from palme.data.synthetic import Scenery, schema
from tests.data_rig import InlineEncoder, recorded

MADE = schema(48, 64, cameras=1)
BRIGHT = (1, 40)  # episode and frame with a bright spot
SPOT = (slice(8, 20), slice(40, 52))


class Spotlit(Scenery):
    """A dark table; one moment has a bright spot."""

    def picture(self, camera: int, episode: int, frame: int) -> np.ndarray:
        rgb = np.full((48, 64, 3), 20, np.uint8)
        if episode == BRIGHT[0] and abs(frame - BRIGHT[1]) < 5:
            rgb[SPOT] = 250
        return rgb


class Brightness:
    """A CLIP of one dimension and its opposite: how bright a picture is."""

    scale, least = 10.0, -1.0

    def images(self, rgb: np.ndarray) -> np.ndarray:
        x = rgb.reshape(len(rgb), -1).mean(1) / 255
        return np.stack([x, np.sqrt(1 - x**2)], 1).astype(np.float32)

    def texts(self, texts: list[str]) -> np.ndarray:
        return np.array([[1.0, 0.0] if text.startswith("a bright") else [0.0, 1.0] for text in texts], "f")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("find") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.data_rig.Scenery", Spotlit)
        return recorded(root, 2, 60, made=MADE, encoding=InlineEncoder)


@pytest.fixture(autouse=True)
def _brightness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("palme.models.clip.load.load_clip", lambda name="": Brightness())


def check(out: Path, dataset: Path, query: str) -> None:
    found = json.loads((out / "found.json").read_text())
    best = found["moments"][0]
    assert best["episode"] == BRIGHT[0]
    assert abs(best["frame"] - BRIGHT[1]) <= 5
    assert best["seconds"] == pytest.approx(best["frame"] / 20)
    left, top, right, bottom = best["box"]
    assert left < 46 < right
    assert top < 14 < bottom
    assert best["score"] > found["moments"][-1]["score"]
    page = (out / "found.html").read_text()
    assert page.count("data:image/jpeg;base64,") == len(found["moments"])
    assert query in page


@pytest.mark.parametrize("query", ["a bright spot", "a bright spot in a dark room"])
def test_a_moment_is_found_by_words(tmp_path: Path, dataset: Path, query: str) -> None:
    assert main(["find", query, str(dataset), f"out={tmp_path}", "per_second=5", "apart_s=0.5"]) == 0
    check(tmp_path, dataset, query)


def test_a_moment_is_found_by_a_picture(tmp_path: Path, dataset: Path) -> None:
    file = tmp_path / "bright.png"
    cv2.imwrite(str(file), np.full((40, 60, 3), 250, np.uint8))
    out = tmp_path / "out"
    assert main(["find", str(file), str(dataset), f"out={out}", "per_second=5", "apart_s=0.5"]) == 0
    check(out, dataset, file.name)


def test_what_cannot_be_searched_is_told(
    tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, said in (
        (["a bright spot"], "DATASET"),
        (["a bright spot", str(tmp_path)], "no data set|meta/info.json"),
        (["none.png", str(dataset)], "none.png"),
        (["a bright spot", str(dataset), "view=rear"], "front"),
        (["a bright spot", str(dataset), "n=0"], "n=0"),
    ):
        assert main(["find", *words, f"out={tmp_path / 'o'}"]) == 2
        error = capsys.readouterr().err
        assert any(part in error for part in said.split("|")), error
