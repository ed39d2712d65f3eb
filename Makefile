# Each target sets itself up on a machine with nothing but Python 3.11, pip and make.
PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3))
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready
DOCS = build/docs
INSTALL = -m pip --python

# compiled modules are kept: else each process that a test starts compiles the whole tree again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test quick check pytest bench bench-quick bench-scale soak survive explore fuzz dist krew image image-test docs lock clean

demo: $(READY)              ## the main job, on a simulated cluster
	@$(BIN)/minidns-sim demo

test: check pytest          ## everything CI runs

pytest: $(READY)
	$(BIN)/pytest -q -n 2 --dist worksteal

quick: $(READY)             ## the tests that are not marked slow: a minute and a half
	$(BIN)/pytest -q -n 2 --dist worksteal -m 'not slow' --hypothesis-profile=quick

check: $(READY)             ## lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(READY)             ## side by side on this machine: ratios and CPU per query
	$(BIN)/python -m bench run $(ARGS)

bench-quick: $(READY)       ## the same in less than a minute
	$(BIN)/python -m bench quick $(ARGS)

bench-scale: $(READY)       ## memory, start and work at 100 to 50,000 Services
	$(BIN)/python -m bench scale $(ARGS)

soak: $(READY)              ## an hour of queries and changes; nothing is lost, nothing grows
	$(BIN)/python -m tests.survival.soak $(ARGS)

survive: $(READY)           ## the promises that are figures, in full; long
	$(BIN)/python -m tests.survival
	$(BIN)/pytest -q tests/survival/test_properties.py tests/survival/test_history.py --hypothesis-profile=survive --timeout=0
	$(BIN)/pytest -q -m survive --timeout=0
	$(BIN)/pytest -q -n 2 --dist worksteal -m hypothesis --hypothesis-profile=thorough --timeout=0

explore: $(READY)           ## random clusters, faults and orders of events; invariants of every answer
	@$(BIN)/minidns-sim explore $(ARGS)

fuzz: $(READY)              ## ten minutes for each parser; coverage-guided where atheris is installed
	$(BIN)/python -m tests.fuzz --seconds 600

dist: $(READY)              ## sdist and wheel, the same bytes whenever they are built
	$(BIN)/python -m hatchling build -d dist

krew: $(READY)              ## the archive of the kubectl plugin for Krew (deploy/krew)
	@mkdir -p dist
	$(BIN)/python deploy/krew/pack.py dist/kubectl-minidns.zip

image: minidns.tar          ## for `kind load image-archive`; needs mmdebstrap, buildah, root

minidns.tar: Dockerfile requirements.txt $(wildcard deploy/image/*) $(shell find minidns -name '*.py')
	deploy/image/build $@

image-test: $(READY) minidns.tar  ## the image's contents, and how it runs as a pod would; needs root
	MINIDNS_IMAGE=$(CURDIR)/minidns.tar $(BIN)/pytest -q tests/deploy/test_image.py

# never with --quiet: it would switch the strictness off
docs: $(DOCS)/.ready        ## the documentation as a site, in build/site
	$(DOCS)/bin/mkdocs build --strict
	@echo "build/site/index.html; its search needs a server: python3 -m http.server -d build/site"

$(DOCS)/.ready: requirements-docs.txt
	$(PYTHON) -m venv --without-pip --clear $(DOCS)
	$(PYTHON) $(INSTALL) $(DOCS)/bin/python install -q --disable-pip-version-check --require-hashes -r requirements-docs.txt
	@touch $@

# --without-pip: a Debian python3 has venv but not ensurepip; the system's pip fills it
# not pyproject.toml: the lock file changes with its dependencies, the rest is read in place
$(READY): requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: Python 3.11 or newer is needed; name one: make PYTHON=python3.12" >&2; exit 1; }
	@echo "1/3 a virtual environment in $(VENV), with $(PYTHON)"
	@$(PYTHON) -m venv --without-pip --clear $(VENV) || { echo "make: step 1 failed: see above; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "2/3 $$(grep -c == requirements-dev.txt) packages at locked versions, checked against their hashes: a minute or two"
	@$(PYTHON) $(INSTALL) $(BIN)/python install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt || { echo "make: step 2 failed: see above; it needs pip and a package index" >&2; exit 1; }
	@echo "3/3 minidns itself"
	@$(PYTHON) $(INSTALL) $(BIN)/python install -q --disable-pip-version-check --no-deps --no-build-isolation --editable . || { echo "make: step 3 failed: see above" >&2; exit 1; }
	@touch $@

COMPILE = uv pip compile -q --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11

lock:                       ## renew the lock files (needs uv)
	$(COMPILE) pyproject.toml -o requirements.txt
	$(COMPILE) --extra dev pyproject.toml -o requirements-dev.txt
	echo 'mkdocs>=1.6,<2' | $(COMPILE) - -o requirements-docs.txt

clean:
	rm -rf $(VENV) build dist minidns.tar
