# `make demo` and `make test` do everything on a fresh machine with Python 3.11 or newer; no root needed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
TORCH  ?= torch==2.13.0
# Asked only where there is no NVIDIA driver and the default build would bring gigabytes of CUDA along.
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu

# Tests run in so many processes; one thread each, or they wait for each other.
TEST_JOBS ?= 2

.PHONY: demo test package docs campaign lint check format clean

demo: $(VENV)/installed
	@$(BIN)/anymole demo
	@echo "Put 'anymole' on the path:  source $(VENV)/bin/activate"

# Hundreds of processes start: what they import is kept compiled, whatever the environment says.
test: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses $(TEST_JOBS) --dist loadfile --no-loadscope-reorder

# Builds wheel and sdist, and tries both in fresh environments; dependencies come from the index that pip knows.
package: $(VENV)/installed-dev
	$(BIN)/python scripts/try_package.py

# The documentation as a site, build/site/index.html; links to what does not exist are errors.
docs: $(VENV)/installed
	@$(PIP) install --editable '.[docs]'
	$(BIN)/python scripts/make_site.py

# What the suite samples, in full; for a machine that has nothing else to do for a while.
# One that is stopped goes on where it was; remove build/campaign to begin anew.
campaign: $(VENV)/installed-dev
	@mkdir -p build/campaign
	$(BIN)/python -m scripts.usd_campaign --count 500 --log build/campaign/stages.jsonl
	$(BIN)/python scripts/fault_campaign.py --log build/campaign/faults.jsonl
	$(BIN)/python scripts/hostile_campaign.py --log build/campaign/inputs.jsonl
	$(BIN)/python scripts/pool_campaign.py

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

format: $(VENV)/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build demo dist

# Debian without python3-venv has no ensurepip: then an installed pip sets up the environment from outside.
$(BIN)/python:
	@echo "Setting up $(VENV) (once; a few minutes)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one with 'make PYTHON=python3.11 ...'."; exit 2; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 \
	  || { rm -rf $(VENV); $(PYTHON) -m venv --without-pip $(VENV) \
	       && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; } \
	  || { rm -rf $(VENV); echo "Neither python3-venv nor pip is installed; install one of them."; exit 2; }

$(VENV)/torch: $(BIN)/python
	@if command -v nvidia-smi >/dev/null 2>&1 \
	    || ! $(PIP) install --dry-run --ignore-installed --report - "$(TORCH)" 2>/dev/null | grep -q '"name": "nvidia-'; \
	  then $(PIP) install "$(TORCH)"; \
	  else $(PIP) install --index-url $(TORCH_CPU_INDEX) "$(TORCH)"; fi
	@touch $@

$(VENV)/installed: $(VENV)/torch pyproject.toml
	@$(PIP) install --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@$(PIP) install --editable '.[dev]'
	@touch $@
