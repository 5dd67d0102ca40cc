# Everything a fresh machine needs is Python 3.11+, make and git. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
LINT_VENV := .venv-lint
BIN := $(VENV)/bin
LINT := $(LINT_VENV)/bin

export DBT_PROFILES_DIR := $(CURDIR)
export DBT_SEND_ANONYMOUS_USAGE_STATS := false

.PHONY: help env build test test-dbt test-python lint docs bench tables calibrate words clean

help: ## Say what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

env: $(VENV)/.ready ## Make the environment from the lock

$(VENV)/.ready: requirements/run.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	@echo "== environment: $(VENV) from requirements/run.lock (a minute or two the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(LINT_VENV)/.ready: requirements/lint.lock
	@echo "== lint environment: $(LINT_VENV)"
	@test -x $(LINT)/python || $(PYTHON) -m venv $(LINT_VENV)
	@$(LINT)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/lint.lock
	@touch $@

build: env ## Build the demo programme and print its scorecard
	@echo "== dbt build: the demo programme into $${EXPERIMENTS_DUCKDB_PATH:-experiments.duckdb}"
	@$(BIN)/dbt build --exclude-resource-type unit_test
	@$(BIN)/python tools/print_scorecard.py

test: env lint test-dbt test-python ## Run everything: lint, dbt tests, pytest

test-dbt: env ## Build the demo with all dbt tests, in a database of its own
	@echo "== dbt build with every test"
	@mkdir -p target
	@rm -f target/test.duckdb
	@EXPERIMENTS_DUCKDB_PATH=target/test.duckdb $(BIN)/dbt build --quiet --warn-error-options '{"error": ["Deprecations"]}'

test-python: env ## Run pytest (statistics, dbt project, integration)
	@echo "== pytest"
	@$(BIN)/python -m pytest -q

lint: $(LINT_VENV)/.ready ## Check Python and SQL style
	@echo "== lint: ruff"
	@$(LINT)/ruff check --quiet .
	@$(LINT)/ruff format --quiet --check .
	@echo "== lint: sqlfluff"
	@$(LINT)/sqlfluff lint --disable-progress-bar --nocolor models tests/dbt analyses | tail -n 40; exit $${PIPESTATUS[0]}

docs: env ## Generate the dbt documentation site into target/
	@$(BIN)/dbt docs generate

tables: env ## Write the tables of docs/marts.md that repeat a list of the project
	@$(BIN)/python tools/write_tables.py

bench: env ## Measure against hand-written floors and peers, and rewrite docs/benchmarks.md (BENCH="--sections inference")
	@$(BIN)/python benchmarks/run.py --write-docs $(BENCH)

calibrate: env ## Simulate error rates and coverage, and rewrite docs/calibration.md (CALIBRATE="--scale 0.1")
	@$(BIN)/python tools/calibrate.py $(CALIBRATE)

words: env ## Write the words that SQL takes from Python to macros/config/python_words.sql
	@$(BIN)/python tools/write_words.py

clean: ## Remove what the other targets made
	@rm -rf target logs $(VENV) $(LINT_VENV) benchmarks/.venv-peer
