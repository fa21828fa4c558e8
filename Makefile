# Every target is one line of help: `make` shows them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
# Images for containers like to set it. The lab and its tests start many processes, and each would compile
# SQLAlchemy and torch again: a second or two each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install install-dev up test check lint fuzz faults two-hosts bench bench-report bench-guard published screenshots lock pin-images

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

install: .venv/installed ## create .venv with what the lab needs (`up` does it too); ETRM_TORCH=cpu|cu130|default

install-dev: .venv/installed-dev ## and what tests need (`test` and `lint` do it too)

LOCKS := pyproject.toml client/pyproject.toml $(wildcard .ci/locks/*.txt)

.venv/installed: $(LOCKS)
	@.ci/install worker

.venv/installed-dev: $(LOCKS)
	@.ci/install dev

ifdef ETRM_TORCH
.PHONY: .venv/installed .venv/installed-dev # another build of PyTorch may be wanted now
endif

up: install ## start everything and print the address; options: make up ARGS="--port 9000 --no-demo"
	@exec $(BIN)/etrm up $(ARGS)

lint: install-dev ## formatting, lint rules, strict types, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

test: lint .venv/browser ## lint, then every test; options: make test ARGS="tests/queue -k order"
	@$(BIN)/pytest $(TEST_PROCESSES) $(ARGS)

check: lint ## lint, then the tests that need no browser, PostgreSQL or killed processes: minutes
	@$(BIN)/pytest $(TEST_PROCESSES) -m "not (browser or faults or postgres or slow)" $(ARGS)

fuzz: install-dev ## send the lab what nobody should; options: make fuzz ARGS="api --budget 500 --seed 7 --database sqlite"
	@$(BIN)/python -m tests.fuzz $(ARGS)

faults: install-dev ## break a lab in every way and write docs/reliability.md; options: make faults ARGS="--tries 3 --kinds kill-child --minutes 60"
	@$(BIN)/python -m tests.faults.long $(ARGS)

two-hosts: install-dev ## 100 runs on two hosts of which one is cut off, as root on Linux; options: make two-hosts ARGS="--seed 14"
	@$(BIN)/python -m tests.faults.long.two_hosts $(ARGS)

# Three processes keep two cores busy while tests wait for servers and browsers. A file stays in one process,
# because its tests share servers; files go out in the order of tests/conftest.py.
TEST_PROCESSES ?= -n 3 --dist loadfile --no-loadscope-reorder

.venv/browser: .venv/installed-dev
	@.ci/browser

bench: install-dev .venv/browser ## answer one question of benchmarks/ as JSON lines: make bench ARGS="charts --quick"
	@$(BIN)/python -m benchmarks.$(or $(ARGS),report --help)

bench-report: install-dev .venv/browser ## measure and write docs/benchmarks.md, half an hour; options: make bench-report ARGS="charts start"
	@$(BIN)/python -m benchmarks.report $(ARGS)

bench-guard: install-dev ## print the ratios that tests/benchmarks hold to their limits
	@$(BIN)/python -m benchmarks.guard

published: install ## write docs/published.md, presets against published values, to be committed
	@$(BIN)/python -m worker.experiments.published

screenshots: install-dev .venv/browser ## photograph every page, full and empty, into screenshots/; ARGS="--url URL" a running lab, --guide, --film
	@$(BIN)/python -m tests.support.screenshots $(ARGS)

lock: install-dev ## write .ci/locks from pyproject.toml, to be committed; ARGS=--upgrade takes the newest allowed versions
	@$(BIN)/python .ci/lock $(ARGS)

pin-images: ## pin the Docker images to the digests their tags have now, to be committed
	@.ci/pin-images
