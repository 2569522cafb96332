"""Square crops: the point is in the middle, and a crop is as many centimetres across on every camera."""

import numpy as np
import pytest

from palme.perception.square_crops import PIXELS, square_crops, window
from robots.types import CameraFrame


def frame(scale: int) -> CameraFrame:
    """A camera 1 m above the table that looks down; a white square of 4 cm lies at (0.1, -0.05)."""
    w, h, focal = 240 * scale, 176 * scale, 300.0 * scale
    k = np.array([[focal, 0, (w - 1) / 2], [0, focal, (h - 1) / 2], [0, 0, 1.0]])
    pose = np.eye(4)
    pose[:3, :3] = np.diag([1.0, -1.0, -1.0])
    pose[:3, 3] = [0.0, 0.0, 1.0]
    u, v = np.meshgrid(np.arange(w), np.arange(h))
    x, y = (u - k[0, 2]) / focal, -(v - k[1, 2]) / focal
    rgb = np.zeros((h, w, 3), np.uint8)
    rgb[(np.abs(x - 0.1) < 0.02) & (np.abs(y + 0.05) < 0.02)] = 255
    return CameraFrame(rgb, None, k, pose)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_square_lies_in_the_middle_and_fills_its_share(scale: int) -> None:
    crop = square_crops(frame(scale), np.array([[0.1, -0.05, 0.0]]), [0.08])[0]
    assert crop.shape == (PIXELS, PIXELS, 3)
    white = crop[..., 0] > 127
    assert white.mean() == pytest.approx(0.25, abs=0.03)
    rows, columns = np.nonzero(white)
    assert rows.mean() == pytest.approx((PIXELS - 1) / 2, abs=1.0)
    assert columns.mean() == pytest.approx((PIXELS - 1) / 2, abs=1.0)


def test_a_crop_beyond_the_edge_goes_on_with_the_edge() -> None:
    rgb = np.full((40, 60, 3), 200, np.uint8)
    for u, v in ((-5.0, 20.0), (70.0, 45.0), (30.0, 20.0)):
        for across in (10.0, 90.0, 300.0):
            assert (window(rgb, u, v, across) == 200).all()
