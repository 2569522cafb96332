"""What LeRobot's own package finds of a data set of ours: it reads all of it, and not as fast as we do."""

from __future__ import annotations

import pytest

from tests.judges.lerobot import JUDGE, judged

pytestmark = pytest.mark.skipif(not JUDGE.built(), reason="python -m tests.judges.lerobot builds the judge")


def test_lerobot_reads_every_column_text_picture_and_window(tmp_path):
    found = judged(tmp_path, frames=40, reads=60)
    assert found["problems"] == []
    assert found["times_faster"] > 1  # 1.5 is the judge's own bar, on a machine with nothing else to do
