# make test and make train do all their own set-up in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: test test-deep train bench docs typing-corpus format clean

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[test]"
	$(BIN)/pyright --version >/dev/null
	touch $@

test: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -n 2
	$(BIN)/pytest -n 2

test-deep: .venv/ready
	HYPOTHESIS_PROFILE=deep $(BIN)/pytest -n 2

train: .venv/ready
	$(BIN)/python examples/train_lm.py

# Against jax, each side in its own process; see tests/bench/README.md.
bench: .venv/ready
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[bench]"
	$(BIN)/python -m tests.bench.compare

docs: .venv/ready
	$(BIN)/python -m verax.compiler.ops.table

# What mypy, the plugin and pyright find in tests/typed; some minutes.
typing-corpus: .venv/ready
	$(BIN)/pip install --quiet --disable-pip-version-check pyright
	$(BIN)/python -m tests.typed.report

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .mypy_cache .ruff_cache .hypothesis out
