# Everything a user or CI calls. `make help` lists it.
LAB   ?= nat
NAME  ?=
PYTHON ?= python3
VENV  := .venv
BIN   := $(VENV)/bin
NAMED := $(if $(NAME),--name $(NAME))

.DEFAULT_GOAL := help
.PHONY: help doctor setup images lab-up lab-down lab-reset lab-status note verify test test-faults test-unit test-engines lint bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  LAB=nat is the lab, NAME= the instance if several run."

# A stamp that is made last: an environment that was left half made is made again.
$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "expected Python 3.11 or newer as $(PYTHON), found $$($(PYTHON) --version 2>&1); give another with PYTHON="; exit 2; }
	@echo "making the Python environment in $(VENV)"
	@rm -rf $(VENV)
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(MAKE) --no-print-directory python-venv
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: python-venv
python-venv:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing Debian's python3-venv with apt-get"; \
	  apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -q python3-venv >/dev/null; \
	else echo "expected Python's venv module, found none: install it (on Debian: sudo apt-get install python3-venv)"; exit 2; fi

setup: $(VENV)/.ready ## Make this machine ready: Python environment, Docker engine, images
	@$(BIN)/lab setup

doctor: $(VENV)/.ready ## Show what is there on this machine, and what will work
	@$(BIN)/lab doctor

images: setup ## Build the images whose content changed
	@$(BIN)/lab images

lab-up: setup ## Start the lab LAB
	@$(BIN)/lab up $(LAB) $(NAMED)

lab-down: $(VENV)/.ready ## Stop the lab and remove all of it
	@$(BIN)/lab down $(NAMED)

lab-reset: $(VENV)/.ready ## Make the lab as it was at its start
	@$(BIN)/lab reset $(NAMED)

lab-status: $(VENV)/.ready ## Show what runs
	@$(BIN)/lab status $(NAMED)

test: setup ## Run all tests, against real containers
	@$(BIN)/python -m pytest tests/unit tests/contract tests/live tests/hostile tests/faults

test-faults: setup ## Run the tests of faults, with 200 kills at random moments
	@SOCKETLAB_FAULT_ROUNDS=$${SOCKETLAB_FAULT_ROUNDS:-200} $(BIN)/python -m pytest tests/faults

test-unit: $(VENV)/.ready ## Run the tests that need no Docker
	@$(BIN)/python -m pytest tests/unit

# Without ENGINES and TESTS it is all tests on all engines, and README's table of what passed where is written.
test-engines: setup ## Run tests on other engines; some: ENGINES="26.1 28.5" TESTS=quick
	@$(BIN)/python -m tests.engines --engines="$(ENGINES)" --tests="$(TESTS)" $(if $(ENGINES)$(TESTS),,--write-table)

lint: $(VENV)/.ready ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

note: setup ## Show every claim of the note, and write the page of it
	@$(BIN)/lab note --all --html docs/note.html

verify: setup ## Let every exercise prove its checks
	@$(BIN)/lab verify

bench: setup ## Measure, as ratios side by side
	@$(BIN)/python -m tests.bench.bench
	@$(BIN)/python -m tests.bench.grading
	@$(BIN)/python -m tests.bench.scale

clean: ## Remove every instance, the images and the Python environment
	@if [ -x $(BIN)/lab ]; then $(BIN)/lab down --all && $(BIN)/lab images --remove >/dev/null || true; fi
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/socketlab/engines"
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache dist build
