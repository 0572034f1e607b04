# What a developer types. Everything it makes is in .venv (the environment), .run (brokers, logs, secrets) and, for
# containers, deploy/.env and Docker's volume.
.DEFAULT_GOAL := help
.PHONY: help run up upgrade down test test-containers check lock bench bench-rollout simulate explore chaos chaos-long soak planted clean

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
SOURCES := gateway dispatcher shared deploy tests

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.run ## Start a RabbitMQ, a dispatcher, a gateway and the demo page; Ctrl-C stops all
	@exec $(BIN)/python -m deploy.local $(ARGS)

up: ## Start all of it in containers, two of each service, and wait until they serve (ARGS="--scale gateway=3")
	@exec $(PYTHON) -m deploy.containers up $(ARGS)

upgrade: ## Build what is checked out and replace the services of `make up` one by one, drained
	@exec $(PYTHON) -m deploy.containers upgrade $(ARGS)

down: ## Drain and stop what `make up` started; messages stay (ARGS=--volumes deletes them)
	@exec $(PYTHON) -m deploy.containers down $(ARGS)

test: .venv/.dev ## Run every test that this machine can run (ARGS="-k alice" for some of them)
	@exec $(BIN)/python -m pytest $(ARGS)

test-containers: .venv/.dev ## Kill, freeze, cut off and upgrade containers under load: some minutes, needs Docker
	@exec $(BIN)/python -m pytest tests/containers $(ARGS)

check: .venv/.dev ## Lint, format, types, and which part may import which
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/lint-imports

simulate: .venv/.dev ## A million steps of the simulation, every invariant checked after each
	@exec $(BIN)/python -m tests.simulation.run --steps 1000000 $(ARGS)

explore: .venv/.dev ## Visit every state of a small world of the cores (ARGS="--faults 2": not finished in a day)
	@exec $(BIN)/python -m tests.exploration $(ARGS)

chaos: .venv/.dev ## Break a running system for three minutes, and judge (ARGS="--seed 7")
	@exec $(BIN)/python -m tests.chaos --seconds 180 $(ARGS)

chaos-long: .venv/.dev ## The same for four hours
	@exec $(BIN)/python -m tests.chaos --seconds 14400 $(ARGS)

soak: .venv/.dev ## Load with churn for 30 minutes: memory flat, nothing left over (ARGS="--seconds 60")
	@exec $(BIN)/python -m tests.chaos.soak $(ARGS)

planted: .venv/.dev ## Put faults into the code, one at a time: the simulation and chaos must find each
	@exec $(BIN)/python -m tests.chaos.planted $(ARGS)

bench-rollout: .venv/.dev ## Join, leave, drain and roll out services under load: time, losses, latency
	@exec $(BIN)/python -m tests.bench.rollout $(ARGS)

bench: .venv/.dev ## Measure restante beside Node, Web MQTT and NATS: tables, JSON and a picture in .run/bench (ARGS="--runs 3")
	@exec $(BIN)/python -m tests.bench.suite $(ARGS)

# --no-emit-index-url and the options after it: a lock names packages and hashes, never where they come from.
LOCK := UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header pyproject.toml
lock: .venv/.dev ## Write the requirements files anew from pyproject.toml (ARGS=--upgrade for newer versions)
	@$(LOCK) $(ARGS) -o requirements.txt
	@$(LOCK) $(ARGS) -c requirements.txt --extra local -o requirements-local.txt
	@$(LOCK) $(ARGS) -c requirements.txt -c requirements-local.txt --extra dev -o requirements-dev.txt

clean: ## Remove everything that the other commands made here, the messages of `make run` included
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m deploy.local --forget; fi
	@rm -rf .venv .run build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment grows in two steps, so that `make run` fetches only what running needs.
.venv/.run: requirements-local.txt pyproject.toml | .venv/.made
	@echo 'Installing what running needs into .venv ...'
	@$(PIP) --require-hashes --no-deps -r requirements-local.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.run
	@echo 'Installing what testing needs into .venv ...'
	@$(PIP) --require-hashes --no-deps -r requirements-dev.txt
	@touch $@

.venv/.made:
	@PYTHON='$(PYTHON)' sh deploy/local/venv.sh .venv
	@touch $@
