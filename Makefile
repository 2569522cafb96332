# palme: `make demo` and `make test` work from an empty checkout and are quick once it is set up.
#
#   make setup   a virtual environment in .venv with everything in it, and the language model (0.5 GB) in the cache
#   make demo    a sentence, pixels, joint commands: one run on a fresh scene, then a video and a page
#   make test    the tests, without those that measure wall-clock time
#   make test-timing   the tests that measure wall-clock time: on an otherwise idle machine
#   make lint    ruff, mypy, and import-linter: who may import whom
#   make judge   the published openpi-client against our policy server, in an environment of its own
#   make judge-lerobot   LeRobotDataset reads what we record, in an environment of its own (Python 3.12, 8 GB)
#   make judge-lerobot-env   lerobot-eval runs our environments, in an environment of its own (Python 3.11, 8 GB)
#   make judge-vla-eval   vla-eval plays our agent on our environments, in an environment of its own (Python 3.11)

PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
	    command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	    && { command -v $$p; break; }; done)
VENV := .venv
READY := $(VENV)/.palme-ready

SENTENCE ?= put the red block in the blue bowl
SEED ?= 12
OUT ?= out/demo
# One BLAS thread a process: tests run side by side, and small tensors lose more than they win by sharing.
export OMP_NUM_THREADS ?= 1
PYTEST_WORKERS ?= 2

.PHONY: setup demo test test-timing lint judge judge-lerobot judge-lerobot-env judge-vla-eval clean
.DELETE_ON_ERROR:

# Without the language model everything works with the small shipped one, which says what it cannot do.
setup: $(READY)
	@$(VENV)/bin/palme setup language || true

$(READY): pyproject.toml constraints.txt
	@if [ ! -x $(VENV)/bin/python ] && [ -z "$(PYTHON)" ]; then \
	    echo "palme needs Python 3.11 or newer, and none was found on PATH." >&2; \
	    echo "Install it (Debian, Ubuntu: apt install python3.11 python3.11-venv; any system: pyenv install 3.11)," >&2; \
	    echo "or name the one to use: make PYTHON=/path/to/python3.11" >&2; \
	    exit 1; \
	fi
	@[ -x $(VENV)/bin/python ] || { echo "making $(VENV) with $(PYTHON)"; "$(PYTHON)" -m venv $(VENV); }
	@echo "installing what is missing into $(VENV) (some minutes the first time)"
	@$(VENV)/bin/python -m pip install --disable-pip-version-check -qq -c constraints.txt -e '.[all]'
	@touch $@

demo: setup
	@$(VENV)/bin/palme run "$(SENTENCE)" seed=$(SEED) out=$(OUT)

test: $(READY)
	@$(VENV)/bin/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile -m "not timing" $(PYTEST)

test-timing: $(READY)
	@$(VENV)/bin/python -m pytest -m timing $(PYTEST)

lint: $(READY)
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

judge: $(READY)
	@$(VENV)/bin/python -m tests.judges.openpi

judge-lerobot: $(READY)
	@$(VENV)/bin/python -m tests.judges.lerobot

judge-lerobot-env: $(READY)
	@$(VENV)/bin/python -m tests.judges.lerobot_env

judge-vla-eval: setup
	@$(VENV)/bin/python -m tests.judges.vla_eval $(EPISODES)

clean:
	rm -rf $(VENV) out .pytest_cache .ruff_cache .mypy_cache
