# `make ramp` is the main job; `make help` lists the rest. Needs python3 (3.11 or newer), pip and make; nothing else.
.DEFAULT_GOAL := help
PYTHON ?= python3
RUN := .venv/bin/python -W error::SyntaxWarning -m prakerja_load
export UV_SYSTEM_CERTS := 1
export UV_PYTHON_DOWNLOADS := never

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /|/' | awk -F'|' '{printf "  make %-14s %s\n", $$1, $$2}'

install: .venv/.ramp ## set up what `make ramp` needs

ramp: .venv/.ramp ## ramp 200 000 → 2 000 000 against the reference registrar on SQLite (about eleven minutes)
	@$(RUN) run scenarios/ministry-ramp.toml --exit-zero

ramp-volume: .venv/.ramp ## every one of 200 000 registrants over HTTP
	@$(RUN) run scenarios/ministry-ramp-volume.toml --ramp 1 --exit-zero

smoke: .venv/.ramp ## the same from end to end in half a minute
	@$(RUN) run scenarios/smoke.toml

serve: .venv/.ramp ## start the reference registrar on loopback
	@$(RUN) serve

test: .venv/.dev ## unit, property, architecture and integration tests
	@.venv/bin/python -m pytest -m "not slow"

test-all: .venv/.dev ## the above and what takes minutes
	@.venv/bin/python -m pytest

coverage: .venv/.dev ## branch coverage of what judges: at least 95 %
	@.venv/bin/python -m coverage run --source=prakerja_load/judgement,prakerja_load/evidence -m pytest -q -m "not slow" tests/judgement tests/evidence
	@.venv/bin/python -m coverage report --skip-covered --show-missing --fail-under=95

SEED ?= 0-199
sim: .venv/.dev ## whole runs in virtual time: SEED=17 tells that one, SEED=0-1999 sweeps
	@.venv/bin/python tests/simulation/simulate.py $(SEED)

mutants: .venv/.dev .tools/bin/uv ## mutation testing of judgement and evidence (hours); SAMPLE=60 of each module, ONLY='judgement.window*'
	@.tools/bin/uv sync --quiet --locked --inexact --group dev --group mutation
	@.venv/bin/python tests/mutation/mutate.py $(if $(ONLY),--only '$(ONLY)') $(if $(SAMPLE),--sample $(SAMPLE))

lint: .venv/.dev ## format, lint, types
	@.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy

BENCHMARKS := generators registrar overload store_size opening_minute controller truth
bench: .venv/.dev ## speed tables, server on one core and generator on the other; fails when a goal is missed
	@missed=; for table in $(BENCHMARKS); do .venv/bin/python benchmarks/$$table.py || missed="$$missed $$table"; done; \
	test -z "$$missed" || { echo "a goal is missed, or could not be measured:$$missed" >&2; exit 1; }

truth: .venv/.dev ## what load tools report of a known stall, beside the truth
	@.venv/bin/python benchmarks/truth.py

lock: .tools/bin/uv ## refresh uv.lock and the hashed requirements made from it
	@.tools/bin/uv lock
	@.tools/bin/uv export --quiet --locked --no-emit-project --no-default-groups --format requirements-txt --output-file requirements.lock
	@.tools/bin/uv export --quiet --locked --no-emit-project --group dev --format requirements-txt --output-file requirements-dev.lock

clean: ## remove the environment, not the reports
	rm -rf .venv .tools mutants .pytest_cache .hypothesis .ruff_cache .mypy_cache

.venv/.ramp: pyproject.toml uv.lock requirements.lock .ci/install
	@PYTHON=$(PYTHON) sh .ci/install ramp

.venv/.dev: pyproject.toml uv.lock requirements-dev.lock .ci/install
	@PYTHON=$(PYTHON) sh .ci/install dev

.tools/bin/uv:
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .tools 'uv==0.13.*'

.PHONY: help install ramp ramp-volume smoke serve test test-all coverage sim mutants lint bench truth lock clean
