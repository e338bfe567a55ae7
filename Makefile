# Every target sets up what it needs in .venv; only Python >= 3.11 and make must be there.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test lint docs bench fuzz clean

help:
	@echo "make demo   run the example spell: reads a document, asks a model, writes a report"
	@echo "make test   run every test"
	@echo "make lint   ruff, mypy, import contracts"
	@echo "make docs   write the reference pages and stubs anew from the declarations"
	@echo "make bench  print the benchmark table"
	@echo "make fuzz   run mutated spells until something gives: RUNS=100000 SEED=1; ONLY=run"

demo: .venv/run
	@$(BIN)/python examples/demo.py

test: .venv/dev
	$(BIN)/python -m pytest -n auto --maxprocesses 8

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: .venv/dev
	$(BIN)/python -m llmspell.emit

bench: .venv/dev
	$(BIN)/python -m benchmarks

fuzz: .venv/dev
	$(BIN)/python -m benchmarks.fuzz $(if $(RUNS),--runs $(RUNS)) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

# uv installs faster where it is there; plain pip is enough.
.venv/run: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("llmspell needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing llmspell into .venv ..."
	@if command -v uv >/dev/null; then uv pip install -q --python $(BIN)/python -e .; else $(BIN)/python -m pip install -q --disable-pip-version-check -e .; fi
	@touch $@

.venv/dev: .venv/run pyproject.toml
	@echo "installing the development tools into .venv ..."
	@if command -v uv >/dev/null; then uv pip install -q --python $(BIN)/python -e '.[dev]'; else $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'; fi
	@touch $@

clean:
	rm -rf .venv
