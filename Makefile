# Every task of the project; the two that matter are `make demo` and `make test`.

PYTHON ?= python3.11
REPLICATION ?= replication.toml
RUN := .venv/bin/python -m
DISTRIBUTARY := $(RUN) cli
READY := .venv/.ready .venv-ministack/.ready .venv-sam/.ready

export SAM_CLI_TELEMETRY := 0

.PHONY: help venv lock check lint format types imports template test simulate mutants bench chaos demo up env status down clean
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# ---- the three environments: tools, emulator and SAM CLI pin versions of boto3 that exclude each other

venv: ## make the virtual environments from pinned, hashed requirements
	@$(MAKE) --silent --no-print-directory -j3 $(READY)

.venv/.ready: requirements/dev.txt
.venv-ministack/.ready: requirements/ministack.txt
.venv-sam/.ready: requirements/sam.txt
$(READY):
	@echo "installing $(@D) from $<" >&2
	@rm -rf $(@D)
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r $< >&2
	@$(if $(filter .venv,$(@D)),$(INSTALL_PROJECT))
	@touch $@

# The project's own packages are imported from where they stand.
INSTALL_PROJECT = printf '%s\n' "$(CURDIR)" "$(CURDIR)/layers/distributary" > \
	"$$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/distributary.pth"; \
	printf '\#!/bin/sh\nexec "$(CURDIR)/.venv/bin/python" -m cli "$$@"\n' > .venv/bin/distributary; \
	chmod +x .venv/bin/distributary

lock: venv ## pin the newest versions that the *.in files allow
	@PATH="$(CURDIR)/.venv/bin:$$PATH" ./requirements/lock

# ---- checks and tests

check: lint types imports template ## formatting, lint, types, import contracts, templates

lint: venv
	$(RUN) ruff check .
	$(RUN) ruff format --check .

format: venv ## format the code and repair what can be repaired
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

types: venv
	$(RUN) mypy .

imports: venv
	.venv/bin/lint-imports

template: venv
	.venv/bin/cfn-lint template.yaml examples/aurora-cluster.yaml
	.venv-sam/bin/sam validate --lint --region us-east-1

test: check ## every check and every rung of the tests
	$(RUN) pytest -n auto --ignore=tests/end_to_end
	$(RUN) pytest tests/end_to_end

SEEDS ?= 10000
simulate: venv ## play SEEDS histories of the protocol, those of earlier runs included
	@$(RUN) tests.simulation $(SEEDS)

mutants: venv ## change the rules of domain/ one by one: does a unit test notice each? (hours)
	nice $(RUN) tests.mutants

bench: venv ## measure lag, throughput and cost; a table, and JSON in benchmarks/results
	$(RUN) benchmarks

chaos: venv ## play faults on three deployed regions under load; a table, and docs/reliability.md
	$(RUN) chaos

# ---- several regions on this machine

demo: venv ## start three regions, load them, cut one off, let it back, compare
	@$(DISTRIBUTARY) local demo

up: venv ## start the regions of REPLICATION and leave them running
	@$(DISTRIBUTARY) local up --replication "$(REPLICATION)"

env: venv ## print endpoint, credentials and tables as JSON (use `make -s env`)
	@$(DISTRIBUTARY) local env

status: venv ## show what runs
	@$(DISTRIBUTARY) local status

down: venv ## stop everything that `up` has started
	@$(DISTRIBUTARY) local down

clean: down ## remove environments, builds and caches
	rm -rf .venv .venv-ministack .venv-sam .local .mutants .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
