# Everything happens in .venv; the only things needed beforehand are python3 (3.11 to 3.13, with venv) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= results
JOB ?= whole

.PHONY: help reproduce explore test lint docs bench release clean

help:
	@echo "make reproduce  theory, simulation, real images and all figures, into $(OUT)/ (a few minutes)"
	@echo "make explore    a page to play with, on this machine only; Ctrl-C ends it"
	@echo "make test       the tests"
	@echo "make lint       ruff and mypy"
	@echo "make docs       the site, into docs/_build/html, its notebooks run"
	@echo "make bench      the benchmarks: ratios against scipy, QP solvers and PyTorch, in one run"
	@echo "make release    build and try a release; nothing is tagged or uploaded; JOB=small for less of the main job"
	@echo "make clean      remove .venv, the site and caches (not results)"

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

reproduce: $(VENV)/installed
	$(BIN)/python -m figures reproduce --out $(OUT)

explore: $(VENV)/installed
	$(BIN)/python -m figures explore

test: $(VENV)/installed
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/installed
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --jobs auto -b html docs docs/_build/html

bench: $(VENV)/installed
	$(BIN)/python benchmarks/theory.py
	$(BIN)/python benchmarks/phase_diagram.py
	$(BIN)/python benchmarks/simulation.py
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/images.py

release: $(VENV)/installed
	$(BIN)/python -m release build --job $(JOB)

clean:
	rm -rf $(VENV) build docs/_build docs/reference/generated *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .jax_cache
