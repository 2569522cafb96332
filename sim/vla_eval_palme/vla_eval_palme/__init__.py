"""palme's tabletop for vla-eval: `benchmark: vla_eval_palme:PalmeBenchmark`."""

from vla_eval_palme.benchmark import PalmeBenchmark

__all__ = ["PalmeBenchmark"]
