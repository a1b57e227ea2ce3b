# `make demo` and `make test` are all that a newcomer needs; both install what they need into .venv.
PYTHON ?= python3
BIN := .venv/bin
DEMO := PROVISION_HOME=$(CURDIR)/.demo/home PROVISION_REGISTRY=$(CURDIR)/.demo/tenants.yaml $(BIN)/provision
# More workers than cores: many tests wait for a database, a machine or a command to come up. Files in their own order:
# those come first, and the many that only compute fill what is left.
WORKERS ?= 6

.DEFAULT_GOAL := help
.PHONY: help install demo demo-clean test lint types imports unit likeness proofs docs lock bench

help:  ## What there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

install: .venv/.installed  ## A virtual environment in .venv with everything, as the lock file says; the example's releases
	@$(BIN)/python examples/notes/build.py

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "provision needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python's venv module is missing (Debian: apt-get install python3-venv)"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -oE '^uv==[0-9.]+' requirements.lock)"
	$(BIN)/uv pip sync --quiet --system-certs --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock \
	  || $(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@$(BIN)/python -m compileall -q provisioner stacks || true
	@touch $@

demo: install  ## The sandbox, and `provision new-tenant acme` in it; all of it lies in .demo
	@mkdir -p .demo
	@test -f .demo/tenants.yaml || sed -E 's#(sandbox: *)examples/#\1../examples/#; s#=\./tenants#=../tenants#' tenants.yaml > .demo/tenants.yaml
	@if $(DEMO) show acme --no-probe >/dev/null 2>&1 && ! $(DEMO) operations list --tenant acme --unfinished --output json | grep -q new-tenant; \
	  then $(DEMO) sandbox start; else $(DEMO) new-tenant acme; fi
	@echo; $(DEMO) show acme
	@echo; echo "Open the url above in a browser. Look around with:"
	@echo "  export PROVISION_HOME=$(CURDIR)/.demo/home PROVISION_REGISTRY=$(CURDIR)/.demo/tenants.yaml"
	@echo "  $(BIN)/provision list"
	@echo "End it with: make demo-clean"

demo-clean:  ## Stop the demo and delete it
	@if [ -x $(BIN)/provision ] && [ -d .demo ]; then $(DEMO) sandbox reset --yes; fi
	@rm -rf .demo

test: lint types imports unit  ## Everything that CI runs

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports

unit: install
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 15

likeness: install  ## 120 random programs on both engines; needs a Pulumi CLI on PATH, and a quarter of an hour
	PROVISION_LIKENESS=120 $(BIN)/pytest -v tests/pulumi_cli/test_likeness.py

proofs: install  ## All kills around every step, and rollouts with 12 tenants and every bad release; an hour
	PROVISION_EXHAUSTIVE=1 $(BIN)/pytest -v -n 3 --dist loadfile --no-loadscope-reorder tests/faults tests/recovery tests/sandbox/bundle/test_kill.py tests/sandbox/bundle/test_handover.py tests/unit/engine/test_random.py
	$(BIN)/python -m benchmarks.rollout

docs: install  ## Write the generated documents again
	$(BIN)/python -m provisioner.cli.reference > docs/commands.md
	$(BIN)/python -m provisioner.registry.reference > docs/registry.md
	$(BIN)/provision registry schema --write tenants.schema.json

bench: install  ## Ratios and figures, as table and JSON
	$(BIN)/python -m benchmarks

lock: install  ## Resolve the dependencies again
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes --no-emit-index-url \
	  --upgrade pyproject.toml --output-file requirements.lock
