"""The composition root: the one place that joins robots, sim and palme, lazily."""
