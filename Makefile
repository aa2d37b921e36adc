# Needs Python 3.11 or newer and make; everything else is set up here.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1

.PHONY: run test check format lock bench model clean

run: $(VENV)/.run ## start everything on this machine and show it
	@$(BIN)/ombud up $(ARGS)

test: $(VENV)/.dev check ## set up, check the code and run every test this machine can run
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev ## style, types and architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## ratios against named baselines, medians of several runs
	$(BIN)/python -m tests.bench $(ARGS)

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Ombud needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing (once) ..."
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing with the tools for tests (once) ..."
	$(PIP) install --require-hashes -r requirements-dev.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run

UV_COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	--group pyproject.toml:build pyproject.toml

lock: $(VENV)/.dev ## compile the lock files again; they name no index
	$(UV_COMPILE) --extra charts --extra fast --extra status -o requirements.lock
	$(UV_COMPILE) --extra charts --extra fast --extra status --extra postgres --extra otel --extra mlflow -c requirements.lock -o requirements-postgres.lock
	$(UV_COMPILE) --extra fast --extra status --extra dev -c requirements-postgres.lock -o requirements-dev.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--group pyproject.toml:mlflow-server -c requirements-postgres.lock -o requirements-mlflow.lock

model: $(VENV)/.dev ## make the shipped model, its facts and its card again: make model DATA=FOLDER
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m services.trainer.ship $(DATA)

clean: ## remove what running and testing left behind, but not your data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
