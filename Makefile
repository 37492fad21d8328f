# Two commands do everything: `make demo` and `make test`. `make help` lists the rest.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
# The first one that runs and is of the right version; a name on the PATH alone proves nothing.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
  $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo $$p; break; }; done)
PYTEST := $(BIN)/python -m pytest
# Real counterparts of the tests: a sound server and PortAudio, a voice, a converter.
DEBIAN_PACKAGES := libportaudio2 libasound2-plugins pulseaudio pulseaudio-utils espeak-ng ffmpeg flac libjpeg-turbo-progs pngcheck
KILLS ?= 200
RECONNECTS ?= 20
MUTATIONS ?= 500
CUTS ?= 200
WITHOUT ?=
OLD ?= HEAD~1
PARTS ?= 5000
EACH ?= 25
FILES ?= 2000
STREAMS ?= 200
WHOLE ?= 500
SEED ?= 1
DATA ?= $(or $(EDGE_RUNTIME_DATA),../shared/data)

.DEFAULT_GOAL := help
.PHONY: help venv dev demo test lint types imports format schemas eval-models bench proofs proof-failsafe proof-kills proof-power-cuts proof-mutations proof-inputs proof-arm proof-rtsp-age bench-act compare runtimes main-job wheels wheel-test test-fast lock clean packages

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

# The system Python, as delivered: Debian splits venv into a package of its own.
$(VENV)/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "edge-runtime needs Python 3.11, 3.12 or 3.13 (apt install python3 python3-venv)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "edge-runtime needs Python 3.11 to 3.13, found $$($(PYTHON) --version)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv; \
	  else echo "Python has no venv here: run 'apt install python3-venv' once, as root"; exit 1; fi; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(VENV)/pyvenv.cfg requirements.lock pyproject.toml
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python tools/link_tree.py
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

venv: $(VENV)/.runtime  ## Make .venv with what the runtime needs
dev: $(VENV)/.dev  ## Make .venv with what the developers need

demo: $(VENV)/.runtime  ## Both stories in about a minute: camera, microphone, ledger, collector
	$(BIN)/edge-runtime demo

packages:  ## As root: install the Debian packages that the real counterparts of the tests need
	@if [ "$$(id -u)" = 0 ]; then \
	  missing=$$(dpkg-query -W -f='$${Package} $${Status}\n' $(DEBIAN_PACKAGES) 2>/dev/null | awk '/install ok installed/ {print $$1}' | sort | comm -13 - <(printf '%s\n' $(DEBIAN_PACKAGES) | sort)); \
	  if [ -n "$$missing" ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null || echo "could not install: $$missing"; fi; \
	else echo "not root: tests that need $(DEBIAN_PACKAGES) are skipped where these are missing"; fi

test: $(VENV)/.dev packages  ## All tests
	$(PYTEST)

test-fast: $(VENV)/.dev  ## The unit tests, in less than a minute
	$(PYTEST) -q tests/unit

lint: $(VENV)/.dev types imports  ## Style, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## mypy --strict
	$(BIN)/mypy

imports: $(VENV)/.dev  ## Which module may import which
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## Put the code into shape
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

eval-models: $(VENV)/.dev  ## Examine the shipped models on the real data; WRITE=1 puts the figures into their cards
	$(BIN)/python -m tools.train.evaluate_surface --data $(DATA) $(if $(WRITE),--write)
	$(BIN)/python -m tools.train.evaluate_keywords --data $(DATA) $(if $(WRITE),--write)
	$(BIN)/python -m tools.train.evaluate_speech_gate --data $(DATA) $(if $(WRITE),--write)

schemas: $(VENV)/.runtime  ## Write the JSON schema of model.toml into docs/
	$(BIN)/edge-runtime models schema > docs/model.schema.json

bench: $(VENV)/.runtime  ## Throughput, latency, CPU and memory, side by side in one run
	$(BIN)/edge-runtime bench

main-job: $(VENV)/.runtime  ## The lanes over real video and sound, to a collector, counted
	$(BIN)/python -m tools.proofs.main_job --data $(DATA)

bench-act: $(VENV)/.dev  ## Trigger or capture to coil: through the field process, and in the lane's own process
	$(BIN)/python -m tools.proofs.act_latency

proofs: proof-failsafe proof-kills proof-power-cuts proof-mutations proof-inputs  ## The slow proofs, in full

proof-failsafe: $(VENV)/.dev  ## PARTS=5000 on a simulated line, each component failing EACH=25 times (a disk of its own needs root)
	$(BIN)/python -m tools.proofs.failsafe --parts $(PARTS) --each $(EACH) $(WITHOUT)

proof-rtsp-age: $(VENV)/.dev  ## RECONNECTS=20 at each of 1, 2, 5, 10, 25 fps: how old pictures are, and what they say
	$(BIN)/python -m tools.proofs.rtsp_age --reconnects $(RECONNECTS)

proof-kills: $(VENV)/.runtime  ## KILLS=200 kill -9 of the whole process group, witnessed
	$(BIN)/python -m tools.proofs.kills --kills $(KILLS)

proof-power-cuts: $(VENV)/.runtime  ## CUTS=200 simulated power cuts (needs root)
	$(BIN)/python -m tools.proofs.power_cut --cuts $(CUTS)

proof-arm: $(VENV)/.runtime  ## The shipped models on emulated 64-bit Arm, beside this box (needs root)
	$(BIN)/python -m tools.proofs.arm --data $(DATA)

proof-mutations: $(VENV)/.dev  ## MUTATIONS=500 damaged copies of ONNX and of TFLite models against every check
	$(BIN)/python -m tools.proofs.mutations --mutations $(MUTATIONS) --data $(DATA)

proof-inputs: $(VENV)/.dev packages  ## FILES=2000 damaged pictures and sounds, STREAMS=200 damaged streams, WHOLE=500 whole files, against other programs
	$(BIN)/python -m tools.proofs.inputs --files $(FILES) --streams $(STREAMS) --whole $(WHOLE) --seed $(SEED) --data $(DATA)

runtimes: $(VENV)/.dev  ## tflite_runtime and numpy 1 in a Python of their own, against the golden samples
	$(BIN)/python -m tools.runtimes --data $(DATA)

compare: $(VENV)/.runtime  ## The lane of this tree beside that of OLD (a git revision), rounds in turn
	$(BIN)/python -m tools.compare_revisions --old $(OLD)

wheels: $(VENV)/.dev  ## dist/wheels: ours and all that it needs, to install on a box without a network
	rm -rf dist/wheels
	$(BIN)/python -m pip download -q --disable-pip-version-check --only-binary :all: --require-hashes -r requirements.lock -d dist/wheels
	$(BIN)/python -m build -q --wheel --outdir dist/wheels
	cd dist/wheels && sha256sum *.whl > SHA256SUMS

wheel-test: $(VENV)/.dev  ## Build the wheel, install it away from the tree, use it
	$(BIN)/python tools/wheel_test.py

lock:  ## Pin the dependencies anew (needs uv)
	uv pip compile pyproject.toml -c constraints.txt --universal --generate-hashes --python-version 3.11 --no-header --no-emit-index-url -q -o requirements.lock
	uv pip compile pyproject.toml -c constraints.txt --group dev --universal --generate-hashes --python-version 3.11 --no-header --no-emit-index-url -q -o requirements-dev.lock

clean:  ## Remove what was made here
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist build out
