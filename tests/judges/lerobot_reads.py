"""Run in the judge's environment: LeRobotDataset reads what we recorded, beside our reader.

usage: python lerobot_reads.py FOLDER READS; prints one line of JSON. FOLDER holds the data sets `small`,
`packed` (small twice, merged) and `large` of palme.data.synthetic.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from lerobot.datasets.compute_stats import compute_episode_stats
from lerobot.datasets.lerobot_dataset import LeRobotDataset

from palme.data.check import check
from palme.data.episode_index import read_stats
from palme.data.merge_split import copy_episodes
from palme.data.reader import Dataset

VECTORS = ("observation.state", "action", "action.requested")


def backends():
    try:
        from torchcodec.decoders import VideoDecoder  # noqa: F401
    except Exception:
        return ["pyav"]
    return ["torchcodec", "pyav"]


def compared(root, backend):
    """What LeRobot reads otherwise than we do: every column, text and picture of every frame."""
    theirs, ours, problems = (
        LeRobotDataset("judge/palme", root=root, video_backend=backend),
        Dataset(root),
        [],
    )
    if len(theirs) != len(ours) or theirs.num_episodes != len(ours.entries):
        problems.append(f"{len(theirs)} frames, {theirs.num_episodes} episodes")
    for index in range(len(ours)):
        a, b = theirs[index], ours[index]
        for key, value in b.numbers.items():
            if not np.allclose(np.asarray(a[key]), np.asarray(value, np.float64), atol=1e-6):
                problems.append(f"{key} of frame {index}: {a[key]} is not {value}")
        if a["task"] != b.task or a["subtask"] != b.step:
            problems.append(f"texts of frame {index}: {a['task']!r}, {a['subtask']!r}")
        for camera, rgb in b.images.items():
            seen = 255 * a[f"observation.images.{camera}"].permute(1, 2, 0).numpy()
            if not np.abs(seen - rgb).max() <= 4:
                problems.append(
                    f"{camera} of frame {index} is off by {np.abs(seen - rgb).max():.0f} grey levels"
                )
    return problems


def windows(root, backend):
    """`delta_timestamps`: a window of states, actions and pictures, clamped where an episode ends."""
    fps, problems = 20, []
    deltas = {"observation.images.front": [-1 / fps, 0.0], "action": [i / fps for i in range(4)]}
    dataset = LeRobotDataset("judge/palme", root=root, video_backend=backend, delta_timestamps=deltas)
    ours = Dataset(root)
    for entry in ours.entries:
        actions = ours.episode(entry.episode).numbers["action"]
        for frame in (0, entry.length // 2, entry.length - 1):
            item = dataset[entry.start + frame]
            rows = np.minimum(frame + np.arange(4), entry.length - 1)
            if not np.allclose(item["action"], actions[rows]):
                problems.append(f"a window of actions at frame {frame} of episode {entry.episode}")
            if item["action_is_pad"].tolist() != [frame + i >= entry.length for i in range(4)]:
                problems.append(f"padding at frame {frame} of episode {entry.episode}")
            before = ours.image(entry, "observation.images.front", max(0, frame - 1))
            seen = 255 * item["observation.images.front"][0].permute(1, 2, 0).numpy()
            if not np.abs(seen - before).max() <= 4:
                problems.append(f"the picture before frame {frame} of episode {entry.episode}")
    return problems


def statistics(root):
    """LeRobot's own statistics of the same rows."""
    ours, problems = Dataset(root), []
    known = read_stats(root, ours.features)
    for episode in ours.episodes():
        columns = {
            key: episode.numbers[key] for key in (*VECTORS, "timestamp", "frame_index", "capture_time")
        }
        columns = {k: v.astype(np.float64) if v.dtype == np.float32 else v for k, v in columns.items()}
        for key, one in compute_episode_stats(columns, ours.features).items():
            for name, value in one.items():
                mine = known[episode.entry.episode][key][name]
                if mine.shape != value.shape or not np.allclose(mine, value, atol=1e-6):
                    problems.append(f"stats/{key}/{name} of episode {episode.entry.episode}: {mine}, {value}")
    return problems


def theirs_read_by_us(folder):
    """A data set that LeRobot itself records (AV1, its default) reads the same in our reader and its own."""
    root = folder / "theirs"
    features = {
        "observation.state": {"dtype": "float32", "shape": (3,), "names": ["a", "b", "c"]},
        "action": {"dtype": "float32", "shape": (3,), "names": ["a", "b", "c"]},
        "observation.images.front": {
            "dtype": "video", "shape": (96, 128, 3), "names": ["height", "width", "channels"],
        },
    }  # fmt: skip
    made = LeRobotDataset.create("judge/theirs", 20, features, root=root, robot_type="x", vcodec="libsvtav1")
    rng = np.random.default_rng(0)
    for episode in range(2):
        for frame in range(15):
            picture = np.zeros((96, 128, 3), np.uint8)
            picture[:, : 5 * frame] = 40 + 80 * episode
            row = {key: rng.normal(size=3).astype(np.float32) for key in ("observation.state", "action")}
            made.add_frame({**row, "observation.images.front": picture, "task": f"task {episode}"})
        made.save_episode()
    made.finalize()
    seen, ours, problems = LeRobotDataset("judge/theirs", root=root, video_backend="pyav"), Dataset(root), []
    for index in np.random.default_rng(1).permutation(30):
        a, b = seen[int(index)], ours[int(index)]
        picture = 255 * a["observation.images.front"].permute(1, 2, 0).numpy()
        same = np.allclose(a["action"], b.action) and a["task"] == b.task
        if not (same and np.abs(picture - b.images["front"]).max() <= 4):
            problems.append(f"frame {index} of LeRobot's own is read otherwise")
    problems += [f"check of LeRobot's own: {problem}" for problem in check(root, deep=True)]
    copy_episodes(folder / "theirs-merged", [(ours, [1, 0])])
    problems += [f"LeRobot's own, merged: {p}" for p in check(folder / "theirs-merged", deep=True)]
    return problems


def speed(get, order):
    get(int(order[0]))
    begin = time.perf_counter()
    for index in order:
        get(int(index))
    return len(order) / (time.perf_counter() - begin)


def disk(root, folder):
    """Megabytes a minute of the same pictures: ours, and by LeRobot's default encoder."""
    from lerobot.datasets.video_utils import encode_video_frames
    from PIL import Image

    from palme.data.synthetic import Scenery, schema

    made, n = schema(480, 640), 100
    scenery = Scenery(made)
    size = 0
    for camera in range(2):
        pictures = folder / f"pictures-{camera}"
        pictures.mkdir()
        for frame in range(n):
            Image.fromarray(scenery.picture(camera, 0, frame)).save(
                pictures / f"frame-{frame:06d}.png", compress_level=1
            )
        encode_video_frames(pictures, folder / f"{camera}.mp4", 20)
        size += (folder / f"{camera}.mp4").stat().st_size
    ours = sum(path.stat().st_size for path in Path(root).rglob("*") if path.is_file())
    return ours / 1e6 / (len(Dataset(root)) / 20 / 60), size / 1e6 / (n / 20 / 60)


def main(folder, reads):
    torch.set_num_threads(1)
    found = {"backends": backends(), "problems": []}
    for backend in found["backends"]:
        for name in ("small", "packed"):
            found["problems"] += [f"{name}, {backend}: {p}" for p in compared(folder / name, backend)[:5]]
            found["problems"] += [f"{name}, {backend}: {p}" for p in windows(folder / name, backend)[:5]]
    found["problems"] += statistics(folder / "small")[:5]
    found["problems"] += theirs_read_by_us(folder)[:5]
    root = folder / "large"
    order = np.random.default_rng(0).permutation(len(Dataset(root)))[:reads]
    rates = {"ours": [], "theirs": []}
    theirs = LeRobotDataset("judge/palme", root=root, video_backend=found["backends"][0])
    for _ in range(2):  # in turn, so that a busy machine is busy for both; no picture is asked for twice
        rates["ours"].append(speed(Dataset(root, cache_mb=0).__getitem__, order))
        rates["theirs"].append(speed(theirs.__getitem__, order))
    found["ours_frames_a_second"] = round(max(rates["ours"]), 1)
    found["lerobot_frames_a_second"] = round(max(rates["theirs"]), 1)
    found["times_faster"] = round(max(rates["ours"]) / max(rates["theirs"]), 2)
    ours, default = disk(root, folder)
    found["ours_mb_a_minute"], found["lerobot_mb_a_minute"] = round(ours, 2), round(default, 2)
    print(json.dumps(found))


main(Path(sys.argv[1]), int(sys.argv[2]))
