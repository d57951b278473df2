# Everything here needs Python 3.11 or later, git and a C compiler, and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CORES ?= $(shell nproc 2>/dev/null || echo 2)
# Tests on SLURM wait most of the time; each worker has clusters of its own.
SLURM_CLUSTERS ?= 4
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --dist worksteal -rs

.PHONY: demo test test-local test-slurm fuzz kills lint format docs lock schemas bench gpu-check clean

## demo: run the whole benchmark on embedded data; the report is reports/benchmark.html
demo: $(READY)
	$(BIN)/snakemake --cores $(CORES) --logger phasebench

## test: run every test, those on SLURM side by side with the others, and print the results at the end; those on SLURM
##       and in a browser are skipped without what tests/slurm/cluster/install.sh and tests/browser/install.sh install
test: $(READY)
	$(MAKE) --no-print-directory --jobs=2 --keep-going --output-sync=target test-local test-slurm

## test-local: run the tests that need no SLURM
test-local: $(READY)
	$(PYTEST) -n $(CORES) --ignore tests/slurm tests

## test-slurm: run the tests on SLURM
test-slurm: $(READY)
	$(PYTEST) -n $(SLURM_CLUSTERS) tests/slurm

## lint: formatting, style, types, the order of imports and the workflow's own checks
lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

## fuzz: try mutated files with each reader, in minutes, and print the counts; INPUTS=500 SECONDS=60 for each, SEED=1
fuzz: $(READY)
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(BIN)/python -m fuzz

## kills: kill each stage at random moments, start it again, and compare what it makes; KILLS=20 for each, SEED=1
kills: $(READY)
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(BIN)/python -m fuzz.kills

## format: bring all files into the project's format
format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

## docs: build the documentation into site/; a warning is an error
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

## lock: resolve pyproject.toml anew into requirements.lock, and write the conda environments from it
lock: $(READY)
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url \
		--no-emit-package snakemake-executor-plugin-submitit --python-version 3.11 --extra dev --extra docs \
		--output-file requirements.lock pyproject.toml
	$(BIN)/python envs/from_lock.py

## schemas: write workflow/schemas from the typed models
schemas: $(READY)
	$(BIN)/phasebench schemas

## bench: print the figures of every benchmark
bench: $(READY)
	@set -e; for script in $(filter-out benchmarks/gpu_check.py,$(wildcard benchmarks/*.py)); do echo "# $$script"; $(BIN)/python "$$script"; done

## gpu-check: measure a CUDA card with the Python that is there, torch included, in under eight minutes; the table goes
##            into benchmarks/results
gpu-check:
	PYTHONPATH=src:executor/src$(if $(PYTHONPATH),:$(PYTHONPATH)) $(PYTHON) benchmarks/gpu_check.py

## clean: remove all results, but neither prepared data nor the environment
clean:
	rm -rf results logs .snakemake reports/benchmark.html reports/figures reports/tables

# The stamp is renewed when the lock or the metadata of a package change; otherwise nothing is installed again.
$(READY): requirements.lock pyproject.toml executor/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable ./executor --editable .
	touch $(READY)
