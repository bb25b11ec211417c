# Two commands: `make run` and `make test`. Everything lives in .venv and .cache, nothing outside.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= tocsin-data

# Compiled kernels are kept with the rest.
export NUMBA_CACHE_DIR = $(CURDIR)/.cache/numba
# So is compiled Python, also where the environment asks for none: tests start the service often.
export PYTHONPYCACHEPREFIX = $(CURDIR)/.cache/python
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test page faults fuzz schema soak check lint types contracts format browser postgres clients clean

run: $(VENV)/run.ready page
	$(BIN)/tocsin up --watch-host --data $(DATA)

test: $(VENV)/dev.ready page browser postgres clients
	@$(BIN)/python -m tests.kernels
	$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder

# The page of the service, from its TypeScript; installing built it, this builds changed sources.
PAGE_SOURCES := $(shell find src/tocsin/web \( -name node_modules -o -name static -o -name __pycache__ \) \
  -prune -o -type f -print)
page: $(VENV)/page.ready

$(VENV)/page.ready: $(PAGE_SOURCES) | $(VENV)/bin/python
	@if $(BIN)/python src/tocsin/web/build.py; then touch $@; \
	 else echo "going on without the page; it says how to build it"; fi

# Services are killed, databases taken away, disks filled, clocks set: the long form (an hour and more).
# `make test` runs the same campaigns in short.
faults: $(VENV)/dev.ready postgres
	TOCSIN_FAULTS=long $(BIN)/pytest tests/faults tests/engine/test_contract.py

# Every decoder under millions of inputs: blind mutation, then guided by atheris where it can be had.
# `make test` runs the same in short.
FUZZ ?= --inputs 2000000 --guided 200000
fuzz: $(VENV)/dev.ready
	$(BIN)/python -m pip install --quiet --group fuzz || echo "no atheris here: blind mutation only"
	$(BIN)/python -m tests.fuzz.run $(FUZZ)

# Everything that the OpenAPI description allows, and what it does not; `make test` asks for less.
schema: $(VENV)/dev.ready
	TOCSIN_SCHEMA=long $(BIN)/pytest -s tests/api/test_described.py

# A million samples through each preset of the HTM model: constant memory, constant speed.
soak: $(VENV)/dev.ready
	$(BIN)/tocsin bench htm --samples 1000000 --soak

check: lint types contracts

lint: $(VENV)/dev.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/dev.ready
	$(BIN)/mypy
	$(BIN)/python src/tocsin/web/build.py --check

contracts: $(VENV)/dev.ready
	$(BIN)/lint-imports

format: $(VENV)/dev.ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The page is tested in a real browser; on Debian and with the right to do so it is installed.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
	  || command -v google-chrome >/dev/null \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	       && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; } \
	  || echo "no Chromium here: the tests of the pages will be skipped"

# The store is tested on a real PostgreSQL, which the tests start themselves.
postgres:
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	       && apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql >/dev/null; } \
	  || echo "no PostgreSQL here: its tests will be skipped"

# Protocols are tested with their real clients; one line for each.
clients: client-prometheus client-lines client-alertmanager

.PHONY: client-prometheus client-lines client-alertmanager
client-prometheus:
	@command -v prometheus >/dev/null \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	       && apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus >/dev/null; } \
	  || echo "no Prometheus here: its tests will be skipped"

client-alertmanager:
	@command -v prometheus-alertmanager >/dev/null || command -v alertmanager >/dev/null \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	       && apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus-alertmanager >/dev/null; } \
	  || echo "no Alertmanager here: its tests will be skipped"

# Graphite's relay, collectd, netcat.
client-lines:
	@(command -v carbon-relay && command -v nc && ls /usr/sbin/collectd && ls /usr/lib/*/libyajl.so.2) >/dev/null 2>&1 \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	       && apt-get update -qq && apt-get install -y -qq --no-install-recommends graphite-carbon collectd-core libyajl2 netcat-openbsd >/dev/null; } \
	  || echo "no carbon-relay, collectd or nc here: their tests will be skipped"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Tocsin needs Python 3.11 or newer; say which: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/run.ready: pyproject.toml $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[server]'
	@touch $@

$(VENV)/dev.ready: pyproject.toml $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[all]' --group dev
	@touch $@

clean:
	rm -rf $(VENV) src/tocsin/web/node_modules src/tocsin/web/static .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
