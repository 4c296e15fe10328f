# hwshift: everything runs in .venv, which the first target makes; nothing else has to be installed
# but Python 3.11 or newer, a C++ compiler, make and perl.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
JOBS   ?= 2
# each worker begins with its part of the files and takes over from the other when it is done
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help venv demo test slow soak lint format bench docs clean

help:
	@echo "make demo   build, simulate and check a network from end to end"
	@echo "make test   all tests but the long ones (PYTEST_ARGS=... adds options)"
	@echo "make slow   the tests that take minutes"
	@echo "make soak   the tests that take longer still"
	@echo "make lint   ruff and mypy"
	@echo "make format rewrite the sources in the project's format"
	@echo "make bench  measure simulation speed and results"
	@echo "make docs   build the manual into build/docs"
	@echo "make venv   only install what the others need"
	@echo "make clean  remove build output (not .venv)"

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "hwshift: needs $(PYTHON) (3.11 or newer); not found" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "hwshift: needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) -V 2>&1); set PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "hwshift: $(PYTHON) cannot make a virtual environment (on Debian: install python3-venv)" >&2; exit 1; }

$(STAMP): pyproject.toml setup.py | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -e '.[dev]'
	@touch $@

$(VENV)/.installed-docs: $(STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -e '.[docs]'
	@touch $@

venv: $(STAMP)

demo: $(STAMP)
	$(BIN)/hwshift demo

test: $(STAMP)
	$(PYTEST) -m "not slow and not soak" $(PYTEST_ARGS)

slow: $(STAMP)
	$(PYTEST) -m "slow and not soak" $(PYTEST_ARGS)

soak: $(STAMP)
	$(PYTEST) -m soak $(PYTEST_ARGS)

# The type checker cannot follow package-dir, so it gets a throw-away tree of links that looks like
# the installed package.
lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	@rm -rf build/types && mkdir -p build/types/hwshift
	@ln -s $(CURDIR)/hwshift/* $(CURDIR)/golden $(CURDIR)/rtl $(CURDIR)/sim build/types/hwshift/
	cd build/types && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml --cache-dir $(CURDIR)/build/mypy -p hwshift

format: $(STAMP)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(STAMP)
	$(BIN)/hwshift bench

docs: $(VENV)/.installed-docs
	$(BIN)/mkdocs build --strict --quiet --site-dir build/docs

clean:
	rm -rf build out *.egg-info .mypy_cache .pytest_cache .ruff_cache
