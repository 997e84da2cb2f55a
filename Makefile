# Every target does its own set-up: on a new machine `make demo` is all there is to type.
# VENV=DIR puts the environment elsewhere, PYTHON=... picks the interpreter for it.
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
AUDIT := $(VENV)-audit

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-argocd check lint types contracts format bench bench-peer bench-plugins bench-cluster docs reference crds schema chart argocd lock clean \
	cluster cluster-down

help:  ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP)  ## make .venv with everything

$(STAMP): requirements/dev.txt requirements/uv.txt scripts/setup.sh
	@PYTHON="$(PYTHON)" sh scripts/setup.sh "$(VENV)"

demo: $(STAMP)  ## a simulated vacuum station and a task that guards it, < 30 s
	@$(BIN)/iocctl demo

# Properties are tried with fewer cases than in CI unless IOC_TEST_THOROUGH=1.
test: $(STAMP)  ## all tests, with the coverage floor; those on a cluster where one can run
	@$(BIN)/python -m scripts.suite

test-argocd: $(STAMP)  ## with Argo CD itself, which it builds: 5-20 min once
	@IOC_TEST_ARGOCD=1 $(BIN)/python -m pytest -q $(wildcard tests/cluster/test_*argocd_real*.py)

check: lint types contracts docs test  ## what CI runs

lint: $(STAMP)  ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP)  ## mypy, strict
	@$(BIN)/mypy

contracts: $(STAMP)  ## import-linter: who may import whom
	@$(BIN)/lint-imports

format: $(STAMP)  ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(STAMP)  ## the table of docs/performance.md, on this machine
	@$(BIN)/python -m benchmarks

bench-cluster: $(STAMP)  ## the operator's figures, on a cluster made for it, about 10 min
	@$(BIN)/python -m benchmarks.cluster

docs: $(STAMP)  ## the site, in build/docs; fails at a link that leads nowhere
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env docs build/docs
	@echo build/docs/index.html

crds: $(STAMP)  ## crds/ and the chart's copies, from the models of ioc_runtime/spec
	@$(BIN)/python -m scripts.crds

argocd: $(STAMP)  ## examples/gitops/argocd/, from the chart's Lua
	@$(BIN)/python -m scripts.argocd

schema: $(STAMP)  ## docs/schema/, from the same models
	@$(BIN)/python -m scripts.schema

chart: $(STAMP)  ## schema, table and dashboard of the chart, from its values.yaml
	@$(BIN)/python -m scripts.chart

reference: $(STAMP)  ## docs/reference.md and docs/reference/, from the code
	@$(BIN)/python -m scripts.reference

bench-plugins: $(STAMP)  ## plugins written for iocmng, on both systems, about 12 min
	@$(BIN)/python -m benchmarks.iocmng_plugins

bench-peer: $(STAMP)  ## get iocmng 2.7.9, to measure beside it
	@$(BIN)/python -m benchmarks.peer

cluster:  ## a Kubernetes with a node and the present images; again: load the images anew
	@python3 -m tests.cluster.rig up

cluster-down:  ## end it, and remove what it made on this machine
	@python3 -m tests.cluster.rig down

.PHONY: licences audit release version base

licences: $(STAMP)  ## docs/licences.md, from what all pinned packages say of themselves
	@$(BIN)/python -m scripts.licences

audit: $(STAMP) $(AUDIT)/.ready  ## licences, and known advisories (asks OSV or PyPI; 3: neither answered)
	@$(BIN)/python -m scripts.licences --check
	@$(AUDIT)/bin/python -m scripts.audit

$(AUDIT)/.ready: requirements/audit.txt $(STAMP)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(AUDIT)
	@UV_SYSTEM_CERTS=1 $(BIN)/uv pip install --quiet --python $(AUDIT)/bin/python --require-hashes -r $<
	@touch $@

release: $(STAMP)  ## wheel, charts, images, SBOMs into dist/; VERSION=x.y.z checks it; IMAGES=no, CHARTS=no
	@$(BIN)/python -m scripts.release $(if $(VERSION),--version $(VERSION)) \
		$(if $(filter no,$(IMAGES)),--without-images) $(if $(filter no,$(CHARTS)),--without-charts)

version: $(STAMP)  ## write VERSION=x.y.z wherever it stands, the changelog too
	@$(BIN)/python -m scripts.release.bump $(VERSION)

base: $(STAMP)  ## images/base.lock: the Debian packages below the images, as they are today
	@$(BIN)/python -m scripts.release.base

lock: $(STAMP)  ## compile requirements/ anew; UPGRADE=1 takes newer versions
	@PATH="$(abspath $(BIN)):$$PATH" sh scripts/lock.sh $(if $(UPGRADE),--upgrade)

clean:  ## remove the environment and what the tools leave behind
	rm -rf $(VENV) $(AUDIT) .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis .coverage build dist
