# Two commands for a newcomer: `make demo` and `make test`. Each makes its own virtual environment and is quick the
# second time, with or without a network. Needs only Python >= 3.11 with venv, and make.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
DEMO := .venv
TEST := .venv-test
PIP_QUIET := --quiet --disable-pip-version-check --no-input
# Pins for libraries that would otherwise start a thread per core each and fight over two cores.
THREADS := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
# The language model of summaries: prebuilt (binding and model from the package registry), build (the binding that is first
# choice is compiled here), 0 (none: a template words the facts).
LLM ?= prebuilt
# No instruction that another box of this kind may lack: the compiled wheel may be kept and handed on.
LLAMA_BUILD := CMAKE_ARGS="-DGGML_NATIVE=OFF -DLLAVA_BUILD=OFF -DMTMD_BUILD=OFF"
# What `make chaos` and `make nightly` are told.
CHAOS = $(if $(BREAK),--break $(BREAK)) $(if $(ONLY),--only $(ONLY)) $(if $(SEED),--seed $(SEED)) $(if $(JSON),--json)
# What `make service-test` is told.
SERVICE = $(if $(WITHOUT),--without $(WITHOUT)) $(if $(ONLY),--only $(ONLY)) $(if $(JSON),--json)

.PHONY: help demo test service-test chaos nightly llm-truth fuzz check lint types view reference bundle clean
ifeq ($(filter $(LLM),prebuilt build 0),)
$(error LLM=$(LLM): allowed prebuilt, build, 0)
endif

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

demo: $(DEMO)/.llm-$(LLM)  ## simulated microscope, then real cells replayed, a summary; LLM=build compiles its binding, LLM=0 none
	@echo "== phenostream demo: a simulated microscope, then a recording of real cells"
	@$(DEMO)/bin/phenostream demo --recording tests/data/real_quads.phenorec $(if $(filter 0,$(LLM)),--llm none)

test: $(TEST)/.llm-$(LLM)  ## the whole test suite, on a real language model; LLM=build, LLM=0 as above
	@echo "== pytest"
	@$(THREADS) $(TEST)/bin/python -m pytest $(PYTEST_ARGS)

chaos: $(TEST)/.ready  ## the table of promises, each put to the test; BREAK=name plants a fault, ONLY="1 6", SEED=n, JSON=1
	@$(THREADS) $(TEST)/bin/python -m tests.system.chaos --size ci $(CHAOS)

service-test: $(TEST)/.ready  ## under a real systemd, in a container (root); WITHOUT=WatchdogSec plants a fault, ONLY="ready"
	@$(THREADS) $(TEST)/bin/python -m tests.system.service $(SERVICE)

nightly: $(TEST)/.ready  ## the promises at full size: 1,000 kills, a long soak; a virtual machine for the units' limits; hours
	@$(THREADS) $(TEST)/bin/python -m tests.system.chaos --size nightly $(CHAOS)
	@$(THREADS) $(TEST)/bin/python -m tests.system.service.virtual_machine
	@$(MAKE) --no-print-directory fuzz
	@$(THREADS) $(TEST)/bin/phenostream bench soak
	@$(MAKE) --no-print-directory llm-truth

llm-truth: $(TEST)/.llm-$(LLM)  ## what is true of all that may be said, of the real model, and of the verifier; SUMMARIES=n, JSON=1
	@$(THREADS) $(TEST)/bin/python -m tests.truth.verifier $(if $(JSON),--json)
	@$(THREADS) $(TEST)/bin/python -m tests.truth $(if $(SUMMARIES),--summaries $(SUMMARIES)) $(if $(JSON),--json)

fuzz: $(TEST)/.ready  ## a frame's way in under atheris (SECONDS=600), and 5,000 histories of the ingest desk
	@mkdir -p work/fuzz
	@$(THREADS) $(TEST)/bin/python -m tests.fuzz.fuzz_frame work/fuzz -max_total_time=$(or $(SECONDS),600) -artifact_prefix=work/
	@$(THREADS) PHENOSTREAM_EXAMPLES=5000 $(TEST)/bin/python -m pytest tests/daemon/sources/test_desk_machine.py --timeout=7200

check: lint types  ## formatting, lint, import contracts, types

lint: $(TEST)/.ready
	@$(TEST)/bin/ruff check . && $(TEST)/bin/ruff format --check .
	@$(TEST)/bin/lint-imports

types: $(TEST)/.ready view
	@$(TEST)/bin/mypy

view:  # the import names, as links, for type checkers (they cannot follow the editable finder)
	@mkdir -p .view/phenostream && touch .view/phenostream/py.typed
	@for d in daemon engine trainer deploy; do ln -sfn ../../$$d .view/phenostream/$$d; done

reference: $(DEMO)/.ready  ## the reference programs of docs/reference (Python, C++) against a daemon; installs a compiler if there is none
	@bash .ci/reference

bundle: $(TEST)/.ready  ## train the demo model again from its fixed seed (an hour on two cores that compute bf16)
	@$(THREADS) $(TEST)/bin/phenostream train --out work/train --seed 1 --objects 24000 --crops 40000 --epochs 4 \
		--held-out 9000 --levels expected --marker-unit within-class
	@$(THREADS) $(TEST)/bin/phenostream export-model work/train deploy/demo_bundle --int8 simulated
	@$(THREADS) $(TEST)/bin/phenostream export-model demo deploy/demo_bundle --population hard

clean:  ## remove what these commands made
	rm -rf $(DEMO) $(TEST) .view build *.egg-info

$(DEMO)/.ready: pyproject.toml constraints.txt
	$(call make_venv,$(DEMO))
	@echo "== installing phenostream (base: numpy, OpenCV, OpenVINO, ONNX Runtime, ZeroMQ; no compiler, no torch)"
	@$(DEMO)/bin/python -m pip install $(PIP_QUIET) -c constraints.txt --no-build-isolation -e .
	@touch $@

$(TEST)/.ready: pyproject.toml constraints.txt
	$(call make_venv,$(TEST))
	@echo "== installing phenostream with extras dev, trainer (torch), exports and compression; the first time takes some minutes"
	@$(TEST)/bin/python -m pip install $(PIP_QUIET) -c constraints.txt --no-build-isolation -e '.[dev,trainer,exports,compression]'
	@touch $@

%/.llm-0: %/.ready
	@true

%/.llm-prebuilt: %/.ready
	@echo "== a language model for summaries: llama.cpp as a binary (34 MB) and SmolLM2 (93 MB)"
	@{ $*/bin/python -m pip install $(PIP_QUIET) -c constraints.txt --only-binary :all: xllamacpp && \
	  $*/bin/phenostream fetch-llm smollm2 && touch $@; } || echo "no language model: a template will word the facts"

$(TEST)/.llm-build: $(TEST)/.llm-prebuilt  # the tests run every binding that is there

%/.llm-build: %/.ready
	@command -v c++ >/dev/null || { echo "LLM=build needs a C++ compiler: apt-get install g++"; exit 2; }
	@echo "== a language model for summaries: compiling llama-cpp-python (3 to 8 minutes on two cores), and SmolLM2 (93 MB)"
	@$(LLAMA_BUILD) $*/bin/python -m pip install $(PIP_QUIET) -c constraints.txt llama-cpp-python
	@$*/bin/phenostream fetch-llm smollm2
	@touch $@

define make_venv
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "phenostream needs Python 3.11 or newer: apt-get install python3.11 python3.11-venv"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) lacks its venv module: apt-get install $$(basename $(PYTHON))-venv"; exit 2; }
	@echo "== making the virtual environment $(1) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(1)
	@$(1)/bin/python -m pip install $(PIP_QUIET) -c constraints.txt setuptools
endef
