# `make help` lists what there is. Everything is installed on the way: a bare Debian 12 needs only git and make.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

# Corosync comes with libcpg; unshare and nsenter are in util-linux.
DEMO_PACKAGES := iproute2 util-linux corosync libcpg4
TEST_PACKAGES := $(DEMO_PACKAGES) postfix swaks libnet-ssleay-perl strace nftables

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-kubernetes test test-long faults lint format bench lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

setup: $(STAMP) ## install the Python environment into .venv

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	    || scripts/system-packages python3 python3-venv
	@echo "setting up the Python environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

demo: $(STAMP) ## three nodes in network namespaces: mail, a killed node, a timeline
	@$(BIN)/python -m demo $(DEMO_ARGS)

demo-kubernetes: $(STAMP) ## the same on a real Kubernetes (kind, or a hermetic one made here)
	@$(BIN)/python -m demo.kubernetes $(DEMO_ARGS)

test: $(STAMP) ## every test, the Kubernetes stories included
	@scripts/system-packages $(TEST_PACKAGES)
	@[ "$${MOMENTUM_TEST_CLUSTER:-hermetic}" != hermetic ] || $(BIN)/python -m tests.cluster prepare
	@$(BIN)/pytest -m "not long" --durations=15 $(PYTEST_ARGS)

test-long: $(STAMP) ## what takes too long for CI
	@scripts/system-packages $(TEST_PACKAGES)
	@$(BIN)/pytest -m long --timeout 7200 --durations=15 $(PYTEST_ARGS)

faults: $(STAMP) ## every fault on real Corosync and kernels, one table; run it alone (45 minutes)
	@scripts/system-packages $(DEMO_PACKAGES) nftables
	@$(BIN)/python -m tests.faults $(FAULT_ARGS)

lint: $(STAMP) ## style, types, import contracts
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@said=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$said"; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@echo "lint: clean"

format: $(STAMP) ## rewrite the code in the house style
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(STAMP) ## figures of this machine; run it alone
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

lock: $(STAMP) ## resolve the dependencies again, with hashes
	@scripts/lock $(BIN)

clean: ## remove what make made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
