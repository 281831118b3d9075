# Two commands do everything: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo detectors test lint wheel clean

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/dfdbench run specs/demo.yaml

# The distributions below plugins/, beside two rows of the demo.
detectors: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(patsubst %/pyproject.toml,--editable %,$(wildcard plugins/*/pyproject.toml))
	$(BIN)/dfdbench run specs/detectors.yaml

test: setup
	$(BIN)/python -m pytest --numprocesses auto --dist loadscope

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: setup
	rm -rf dist
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .

clean:
	rm -rf .venv dist .dfdbench .dvc/cache .dvc/tmp dvc_plots
