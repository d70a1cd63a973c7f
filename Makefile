# Two commands are enough on a fresh machine: `make demo` and `make test`.
# Each makes the virtual environment in .venv first, from the committed lock.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
UV := $(shell command -v uv || echo $(BIN)/uv)
# A file's tests stay with one worker, which keeps what is made once a module. Three workers on two
# cores, since some tests wait for what takes its time.
PYTEST_ARGS ?= -n 3 --dist loadfile
COMPILE := pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header

# Seconds that `make torture` may take; less is the same in small.
TORTURE_S ?= 1200
# Requests that `make fuzz` sends, and the seed that they are made from.
FUZZ_CASES ?= 20000
FUZZ_SEED ?= 4

# The tests start hundreds of processes: each would compile the whole program anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: venv demo test unit torture torture-tests torture-ledger compare-director director-ui fuzz \
	check lint format bench bench-peers bench-smoke peers lock clean

venv: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	command -v uv >/dev/null || test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

demo: venv
	$(BIN)/flowledger demo

test: venv
	$(BIN)/pytest $(PYTEST_ARGS)

# The tests that need no database and no server, in a few seconds.
unit: venv
	$(BIN)/pytest -n 2 tests/unit

torture: torture-tests torture-ledger

# Tests of endurance at full length; `make test` has them short.
torture-tests: venv
	FLOWLEDGER_TORTURE_S=$(TORTURE_S) $(BIN)/pytest -n 2 --dist load -m torture --timeout 600 --durations 12

# One ledger under writers, readers, kills and rebuilds; it prints its figures.
torture-ledger: venv
	FLOWLEDGER_TORTURE_S=$(TORTURE_S) $(BIN)/python -m tests.torture

# The real celery-director beside our dialect of it; needs redis-server.
BESIDE := tests/dialects/director/beside
compare-director: venv .venv-director/.stamp
	$(BIN)/pytest -n 0 $(BESIDE)

.venv-director/.stamp: $(BESIDE)/requirements.txt
	test -x .venv-director/bin/python || $(PYTHON) -m venv .venv-director
	.venv-director/bin/python -m pip install --quiet --requirement $(BESIDE)/requirements.txt
	.venv-director/bin/python -m pip install --quiet --no-deps celery-director==0.10.0
	touch $@

# Every operation of openapi.yaml, asked well-formed and otherwise, by all and by nobody.
fuzz: venv
	$(BIN)/python -m tests.fuzz --cases $(FUZZ_CASES) --seed $(FUZZ_SEED)

# Director's own user interface, for the tests that try it in chromium; needs npm.
director-ui: .director-ui/.stamp

.director-ui/.stamp: tests/dialects/director/interface/fetch
	PYTHON=$(PYTHON) $< .director-ui
	touch $@

check: lint test

lint: venv
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: venv
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Ours beside the limits of the machine; results go to docs/reference/performance.md. Quiet machines only.
# `BENCH_ARGS="--seconds 1"` is a quicker look.
bench: venv
	$(BIN)/python -m tests.benchmarks all $(BENCH_ARGS)

# Beside other products, each in an environment of its own below .cache.
bench-peers: venv peers
	$(BIN)/python -m tests.benchmarks all --peers $(BENCH_ARGS)

peers: venv
	$(BIN)/python -m tests.benchmarks install

# A minute, for CI: fails where a ratio to the limits is below half of its goal.
bench-smoke: venv
	$(BIN)/python -m tests.benchmarks smoke

# requirements.lock is for work on the project, requirements-runtime.lock for the image.
# `make lock LOCK_ARGS=--upgrade` takes newer releases.
lock: $(STAMP)
	$(UV) $(COMPILE) $(LOCK_ARGS) --extra embedded --group dev -o requirements.lock
	$(UV) $(COMPILE) --constraint requirements.lock -o requirements-runtime.lock

clean:
	rm -rf $(VENV) .venv-director .director-ui build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage
