# Everything a developer types. `make help` lists it.
# Needs Python 3.11 or newer and make; the rest is installed into .venv from hashed locks.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
CODE := src tests benchmarks examples tools
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --strip-extras \
	--allow-unsafe --no-emit-index-url --no-emit-trusted-host --no-emit-find-links $(LOCK)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- setting up: each stamp is redone only when what it was made from has changed ---

$(BIN)/python:
	@tools/make_venv.sh $(VENV)

$(VENV)/.installed: requirements/run.lock requirements/demo.lock pyproject.toml | $(BIN)/python
	@echo "installing Plano into $(VENV)"
	@$(PIP) install --require-hashes -r requirements/run.lock -r requirements/demo.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: requirements/dev.lock $(VENV)/.installed
	@echo "installing what the checks and tests need into $(VENV)"
	@$(PIP) install --require-hashes -r requirements/dev.lock
	@touch $@

.PHONY: setup
setup: $(VENV)/.installed-dev ## .venv with everything in it

# --- using it ---

.PHONY: run
run: $(VENV)/.installed ## start the gateway on simulated models, send it requests, leave it running
	@$(BIN)/python -m examples.demo

# --- checking it ---

.PHONY: check
check: $(VENV)/.installed-dev ## formatting, lint, types, who imports whom
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports

.PHONY: format
format: $(VENV)/.installed-dev ## rewrite the code in the project's formatting
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix-only $(CODE)

.PHONY: test
test: $(VENV)/.installed-dev ## every test
	@tools/ensure_redis.sh
	$(BIN)/pytest $(ARGS)

# One test must not need another: each run has an order of its own.
SEED := $(or $(SEED),$(shell echo $$RANDOM))
.PHONY: fault
fault: $(VENV)/.installed-dev ## every row of the table of faults, in an order of its own (SEED=… for the same again)
	@tools/ensure_redis.sh
	@echo "order: make fault SEED=$(SEED)"
	$(BIN)/pytest --random-order-bucket=global --random-order-seed=$(SEED) $$($(BIN)/python -m tests.fault.table) $(ARGS)

.fuzz-venv/.installed: requirements/run.lock requirements/fuzz.lock
	@tools/make_venv.sh .fuzz-venv
	@.fuzz-venv/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes \
		$(addprefix -r ,$^)
	@touch $@

.PHONY: fuzz
fuzz: $(VENV)/.installed-dev .fuzz-venv/.installed ## by hand: property tests with fresh seeds, then what coverage guides (ARGS: that alone)
	$(if $(ARGS),,$(BIN)/pytest -m hypothesis --hypothesis-profile=fuzz --timeout=0)
	PYTHONPATH=src .fuzz-venv/bin/python -m tests.fuzz $(ARGS)

.PHONY: large
large: $(VENV)/.installed-dev ## by hand: cuts at every byte, departures, faults and an outage, by the thousand
	$(BIN)/python -m tests.large.cuts
	$(BIN)/python -m tests.large.departures
	$(BIN)/python -m tests.large.faults
	$(BIN)/python -m tests.large.outage

.PHONY: crowds
crowds: $(VENV)/.installed-dev ## by hand: a thousand clients that send or read slowly, beside healthy load
	$(BIN)/python -m tests.large.crowds slow-requests $(ARGS)
	$(BIN)/python -m tests.large.crowds slow-requests --defaults $(ARGS)
	$(BIN)/python -m tests.large.crowds stopped-readers $(ARGS)
	$(BIN)/python -m tests.large.crowds scarce $(ARGS)

.PHONY: changes
changes: $(VENV)/.installed-dev ## by hand: 100 reloads and 20 rolling restarts under load
	$(BIN)/python -m tests.large.changes $(ARGS)

.PHONY: soak
soak: $(VENV)/.installed-dev ## by hand: everything at once, for ten minutes (ARGS="--minutes 600"), and what grows
	$(BIN)/python -m tests.large.soak $(ARGS)

# --- measuring it ---

.PHONY: bench
bench: $(VENV)/.installed-dev ## what a request and a decision cost: CPU, latency, memory
	$(BIN)/python -m benchmarks.run $(ARGS)
	$(BIN)/python -m benchmarks.decisions $(filter --quick,$(ARGS))

.PHONY: bench-peers
bench-peers: $(VENV)/.installed-dev ## the same, beside other gateways (installs them apart)
	$(BIN)/python -m benchmarks.run --peers $(ARGS)

# --- maintaining it ---

$(BIN)/pip-compile:
	@$(MAKE) --no-print-directory setup

.PHONY: lock
lock: | $(BIN)/pip-compile ## pin what pyproject.toml and requirements/*.in ask for (LOCK=--upgrade: the newest)
	$(COMPILE) --build-deps-for editable -o requirements/run.lock pyproject.toml
	$(COMPILE) -o requirements/demo.lock requirements/demo.in
	$(COMPILE) -o requirements/dev.lock requirements/dev.in
	$(COMPILE) -o requirements/encoder.lock requirements/encoder.in
	$(COMPILE) -o requirements/fuzz.lock requirements/fuzz.in

.encoder-venv/.installed: requirements/encoder.lock
	@tools/make_venv.sh .encoder-venv
	@.encoder-venv/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes -r $<
	@touch $@

.PHONY: encoder
encoder: .encoder-venv/.installed ## by hand: build the embedded router's model again from the original weights
	.encoder-venv/bin/python -m tools.build_encoder $(ARGS)

.PHONY: kinds
kinds: $(VENV)/.installed-dev ## by hand: embed tools/build_kinds/kinds.txt again, after a change of it or of the encoder
	$(BIN)/python -m tools.build_kinds $(ARGS)

.PHONY: clean
clean: ## remove .venv and every cache
	rm -rf $(VENV) .encoder-venv .fuzz-venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist src/*.egg-info
