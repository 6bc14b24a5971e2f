# Everything a fresh machine needs is Python >= 3.11 and this file: each target sets up what it lacks.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# a core each, whole files apart: some prepare much that all tests in them look at
PYTEST := $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=8 --dist=loadfile
SUITE ?=
N ?=

.DEFAULT_GOAL := help
.PHONY: help setup bench report test test-fast fuzz simulate lint format perf perf-peers lock clean

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## virtual environment in .venv, as pinned in requirements.lock (about 5.5 GB: torch brings CUDA's libraries)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "metabench needs Python 3.11 or later; say which with: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

bench: $(READY) ## run the default suite (SUITE=name for another) and render its report
	$(BIN)/metabench run $(SUITE)

report: $(READY) ## render the report of the default suite (SUITE=name for another) again
	$(BIN)/metabench report $(SUITE)

test: $(READY) ## run the tests
	$(PYTEST)

test-fast: $(READY) ## run the quick ones, under a minute
	$(PYTEST) -m "not slow"

fuzz: $(READY) ## damage suites, data, run folders, histories and sites in N ways (N=3000) and see that every verb copes
	FUZZ_CASES=$(or $(N),3000) $(PYTEST) tests/fuzz

simulate: $(READY) ## error rates, power and coverage of the statistics where the truth is known (N=1000)
	$(BIN)/python tools/simulate.py $(N)

lint: $(READY) ## style, types, and that imports go downwards
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

format: $(READY) ## let ruff put style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

perf: $(READY) ## benchmarks of metabench itself, with the memory settings of its workers
	MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=268435456 \
	$(BIN)/python -m pytest tests/benchmarks --override-ini addopts=-q --benchmark-only

perf-peers: $(READY) ## MAML beside TorchOpt and JAX, gradients checked (LEARN2LEARN=CHECKOUT): docs/performance.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[peers]'
	$(BIN)/python tools/peers $(if $(LEARN2LEARN),--learn2learn $(LEARN2LEARN)) $(if $(WORK),--work $(WORK))

lock: $(READY) ## write requirements.lock from what is installed
	$(BIN)/python tools/lock.py > requirements.lock

clean: ## remove the virtual environment and caches; reports stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
