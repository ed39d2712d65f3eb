# Each target sets itself up on a machine with nothing but Python 3.11, pip and make.
PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3))
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready

.PHONY: demo test check pytest bench dist image image-test lock clean

demo: $(READY)              ## the main job, on a simulated cluster
	@$(BIN)/minidns-sim demo

test: check pytest          ## everything CI runs

pytest: $(READY)
	$(BIN)/pytest -q -n 2

check: $(READY)             ## lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(READY)             ## side by side on this machine: ratios and CPU per query
	$(BIN)/python -m bench

dist: $(READY)              ## sdist and wheel, the same bytes whenever they are built
	$(BIN)/python -m hatchling build -d dist

image: minidns.tar          ## for `kind load image-archive`; needs mmdebstrap, buildah, root

minidns.tar: Dockerfile requirements.txt $(wildcard deploy/image/*) $(shell find minidns -name '*.py')
	deploy/image/build $@

image-test: $(READY) minidns.tar  ## the image's contents, and how it runs as a pod would; needs root
	MINIDNS_IMAGE=$(CURDIR)/minidns.tar $(BIN)/pytest -q tests/deploy/test_image.py

# --without-pip: a Debian python3 has venv but not ensurepip; the system's pip fills it
$(READY): requirements-dev.txt pyproject.toml
	$(PYTHON) -m venv --without-pip --clear $(VENV)
	$(PYTHON) -m pip --python $(BIN)/python install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(PYTHON) -m pip --python $(BIN)/python install -q --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

lock:                       ## renew both lock files from pyproject.toml (needs uv)
	uv pip compile -q --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11 pyproject.toml -o requirements.txt
	uv pip compile -q --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11 --extra dev pyproject.toml -o requirements-dev.txt

clean:
	rm -rf $(VENV) dist minidns.tar
