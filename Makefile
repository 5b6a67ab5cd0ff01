# Each target makes what it needs from nothing and stops at the first failure.
#   make demo    install into .venv and run the whole chain once        make bench  run every benchmark
#   make test    install for development and run the test suite         make prove  run the long proofs (tests/proofs)
#   make check   ruff, mypy, pyright, imports, generated code, examples          make format  repair style
#   make bench-policies   every controller on RESCO's eight maps, then bad sensors and other demand (hours; goes on)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PINS := tests/constraints.txt
# Processes that run tests, a file's always in the same one.
TESTERS ?= 2
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench bench-policies bench-emergency prove clean

help:
	@sed -n '2,5s/^# *//p' Makefile

demo: $(VENV)/.installed-sim
	$(BIN)/stopline demo $(ARGS)

test: $(VENV)/.installed-dev $(VENV)/.system-packages $(VENV)/.foreign
	$(BIN)/python -m pytest --numprocesses $(TESTERS) --dist loadfile $(ARGS)

check: $(VENV)/.installed-dev
	$(BIN)/python scripts/check $(ARGS)

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: $(VENV)/.installed-dev $(VENV)/.system-packages
	$(BIN)/python -m benchmarks $(ARGS)

bench-policies: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks._policies $(ARGS)

bench-emergency: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks._emergency $(ARGS)

prove: $(VENV)/.installed-dev $(VENV)/.system-packages
	$(BIN)/python -m tests.proofs $(ARGS)

clean:
	rm -rf $(VENV) .venv-foreign dist build runs .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The kerb and the simulator, without torch.
$(VENV)/.installed-sim: pyproject.toml $(PINS) | $(BIN)/python
	$(PIP) install -c $(PINS) -e '.[sim]'
	touch $@

# torch comes first and by its exact version: a range may pull a build of several GB.
$(VENV)/.installed-dev: pyproject.toml $(PINS) | $(BIN)/python
	$(PIP) install -c $(PINS) torch==2.13.0
	$(PIP) install -c $(PINS) -e '.[sim,train,dev,bench,otel,v2x]'
	touch $@ $(VENV)/.installed-sim

# Foreign clients that our servers must agree with; tests that need them skip where they are missing.
$(VENV)/.system-packages: scripts/system-packages | $(BIN)/python
	scripts/system-packages
	touch $@

# Foreign packages that cannot live beside ours.
$(VENV)/.foreign: scripts/foreign-environments | $(BIN)/python
	PYTHON=$(PYTHON) scripts/foreign-environments
	touch $@
