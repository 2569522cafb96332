"""Run in the judge's environment: vla-eval's harness plays our benchmark.

usage: python vla_eval_runs.py URL EPISODES SEED FAMILY...; prints one line of JSON. URL: of our model server,
or "still", for one of vla-eval's own around a model that does not move.
"""

import json
import sys

from vla_eval.api import run, serve_background
from vla_eval.model_servers.predict import PredictModelServer

STEPS = 12  # of an episode in which nothing moves


class Still(PredictModelServer):
    """Keeps every joint where it is."""

    def predict(self, obs, ctx):
        assert obs["task_description"] and obs["images"]["front"].shape == (176, 240, 3)
        return {"actions": obs["state"]}


def main(url, episodes, seed, *families):
    entry = {
        "benchmark": "vla_eval_palme:PalmeBenchmark",
        "episodes_per_task": int(episodes),
        "params": {"families": list(families), "seed": int(seed)},
    }
    config = {"server": {"timeout": 600.0}, "output_dir": "results", "benchmarks": [entry]}
    if url == "still":
        entry["max_steps"] = STEPS
        with serve_background(Still()) as handle:
            found = run(config, server_url=handle.url, no_save=True)
    else:
        found = run(config, server_url=url, no_save=True)
    print(json.dumps(found, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
