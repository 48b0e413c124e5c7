# Every target does all its own set-up; Python 3.11 or newer and make are all that must be there.
# A second run is quick: a stamp file says what is done, and a changed pyproject.toml does it again.
#
#   make lab LAB_ARGS=--no-browser      more arguments for JupyterLab
#   make test TEST_ARGS="-k pool -x"    more arguments for pytest
#   make lab PYTHON=/path/to/python3    a Python of your choice

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

LAB_ARGS ?=
TEST_ARGS ?=
BENCH_ARGS ?=
PYTHON ?=

VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check --quiet
NOTEBOOK := notebooks/quickstart.ipynb

PAGES := $(shell find labextension/src labextension/style labextension/scripts labextension/package*.json -type f)

# What the tests themselves need beside the oldest dependencies, and which tests run with those. numpy 2 is newer than they are.
FLOOR_TOOLS := "numpy<2" claude-agent-sdk hypothesis jinja2 nbclient nbconvert orjson papermill playwright pydantic pytest \
  pytest-asyncio pytest-timeout pytest-xdist
FLOOR_TESTS := tests/display tests/engine tests/magics tests/records tests/recording tests/rendering tests/transcripts tests/widgets \
  tests/cli/test_decoder.py tests/test_client.py tests/test_config.py

# The tests run against two versions of the CLI: the newest that claude-agent-sdk bundles, and an older one.
OLD_SDK := 0.2.111
OLD_CLI := .cache/cli-$(OLD_SDK)
# The browser tests run on three kernels: the one that is installed, the last of the 6.x series, and one between.
OLD_KERNELS := .cache/ipykernel-6.31.0 .cache/ipykernel-7.3.0
OLD_CLI_PATH := $(CURDIR)/$(OLD_CLI)/claude_agent_sdk/_bundled/claude
TEST_ENVIRONMENT = CLAUDE_MAGIC_TEST_CLIS="$(OLD_CLI_PATH)" \
  CLAUDE_MAGIC_TEST_IPYKERNEL="$(subst $() ,:,$(addprefix $(CURDIR)/,$(OLD_KERNELS)))"

# Steps that keep one processor busy, or wait for the network, run two at a time. Newer makes keep their output apart.
PARALLEL := $(MAKE) --no-print-directory --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync)

CHECKS := check-page-style check-types check-page-types check-python

# Modules are compiled once, and not by each of the thousand processes that the tests start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help lab demo test test-fast check docs floor fuzz bench wheel clean
.PHONY: $(CHECKS) test-pages chromium

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

lab: $(VENV)/lab ## open the quickstart in JupyterLab; answers are simulated without a login
	CLAUDE_MAGIC_SIMULATE=auto $(RUN) -m jupyterlab $(NOTEBOOK) $$([ "$$(id -u)" != 0 ] || echo --allow-root) $(LAB_ARGS)

demo: $(VENV)/lab ## run the quickstart in the terminal, and write it to output/ as a notebook and as a page
	CLAUDE_MAGIC_SIMULATE=auto $(RUN) notebooks/run.py $(NOTEBOOK) --output output

# The tests of a file stay together, for many share a kernel or a server. Files with few tests, such as those of the browser, come last.
test: ## run every check and every test
	@$(PARALLEL) $(VENV)/test $(OLD_CLI)/done $(OLD_KERNELS:=/done) chromium
	@$(PARALLEL) $(CHECKS) test-pages docs
	$(TEST_ENVIRONMENT) $(RUN) -m pytest -n 3 --dist loadfile $(TEST_ARGS)

test-fast: $(VENV)/test ## run the tests that start no process, in less than a minute
	$(RUN) -m pytest -m "pure or fake" -n 2 --dist worksteal $(TEST_ARGS)

check: ## look at the code without running it: ruff, mypy, import-linter, codespell, eslint, tsc
	@$(PARALLEL) $(VENV)/test
	@$(PARALLEL) $(CHECKS)

check-python: $(VENV)/test
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(VENV)/bin/lint-imports --no-cache
	$(VENV)/bin/codespell
	$(RUN) tests/check_words.py
	$(RUN) tests/check_names.py

check-types: $(VENV)/test
	$(RUN) -m mypy

check-page-types: $(VENV)/test
	$(RUN) labext_build.py check

check-page-style: $(VENV)/test
	$(RUN) labext_build.py lint

test-pages: $(VENV)/test
	$(RUN) labext_build.py test

chromium: $(VENV)/packages
	@tests/browser/ensure_chromium.sh $(RUN)

# Warnings are errors; every link within the site is followed. No notebook is run: they have kept answers.
docs: $(VENV)/docs ## build the documentation into output/docs/, and follow its links
	$(RUN) -m sphinx --builder html --jobs 2 --fail-on-warning --keep-going --quiet docs output/docs
	$(RUN) docs/check_links.py output/docs
	@echo "the documentation: output/docs/index.html"

floor: $(VENV)/pip ## run the fast tests with the oldest version of each dependency
	@rm -rf .cache/floor && $(RUN) -m venv .cache/floor
	.cache/floor/bin/python -m pip --quiet install $$($(RUN) tests/requirements.py --oldest) $(FLOOR_TOOLS)
	PYTHONPATH="$(CURDIR)" .cache/floor/bin/python -m pytest -W ignore::DeprecationWarning $(FLOOR_TESTS) $(TEST_ARGS)

fuzz: $(VENV)/test ## try thousands of odd inputs: lines of the CLI, session files, tapes, Markdown
	HYPOTHESIS_PROFILE=long $(RUN) -m pytest -m fuzz --timeout 3600 $(TEST_ARGS)

bench: $(VENV)/test ## measure, side by side with what else there is
	$(RUN) -m benchmarks $(BENCH_ARGS)

wheel: $(VENV)/build ## build the wheel into dist/
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/*.whl

clean: ## remove everything that these commands made
	rm -rf $(VENV) .cache output build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -rf labextension/node_modules labextension/lib claude_magic/labextension claude_magic/widgets/static
	rm -f docs/tutorials/*.ipynb
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp is written when its step has succeeded.

$(VENV)/pip:
	@python=; for one in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14); do \
	  if "$$one" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then python="$$one"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "claude_magic needs Python 3.11 or newer with its venv module (on Debian and Ubuntu: apt install python3-venv)." >&2; \
	  echo "None was found in PATH. Name one with: make PYTHON=/path/to/python3 ..." >&2; exit 1; \
	fi; \
	echo "making $(VENV) with $$python"; "$$python" -m venv --clear $(VENV)
	$(PIP) install --upgrade "pip>=25.1"
	@touch $@

$(VENV)/build: pyproject.toml $(VENV)/pip
	$(PIP) install --group build
	@touch $@

# Installing builds the JupyterLab extension as well, so its sources count.
$(VENV)/lab: $(VENV)/build $(PAGES)
	@echo "installing claude_magic, a Claude CLI, JupyterLab and matplotlib into $(VENV), once: some minutes"
	$(PIP) install --no-build-isolation --editable ".[lab,cli,plots]"
	@touch $@

# The packages come in while the extension is built; then there is nothing left to build or to fetch.
$(VENV)/packages: pyproject.toml $(VENV)/build
	@echo "installing all that claude_magic and its tests need into $(VENV), once: some minutes"
	$(RUN) tests/requirements.py | $(PIP) install --group test --requirement /dev/stdin
	@touch $@

$(VENV)/pages: $(VENV)/build $(PAGES)
	$(RUN) labext_build.py build
	@touch $@

$(VENV)/test: $(VENV)/pages $(VENV)/packages
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/lab

$(VENV)/docs: $(VENV)/test
	@echo "installing what builds the documentation into $(VENV)"
	$(PIP) install --group docs
	@touch $@

$(OLD_CLI)/done: | $(VENV)/pip
	@echo "fetching an older Claude CLI for the tests, once (about 80 MB)"
	@rm -rf $(OLD_CLI)
	@$(PIP) install --no-deps --only-binary :all: --target $(OLD_CLI) "claude-agent-sdk==$(OLD_SDK)" && test -x "$(OLD_CLI_PATH)" || { \
	  echo "The older Claude CLI (in claude-agent-sdk $(OLD_SDK), from the package index) could not be fetched; the tests need it." >&2; exit 1; }
	@touch $@

# The 6.x series needs nest-asyncio, which the others do not.
.cache/ipykernel-%/done: | $(VENV)/pip
	@rm -rf $(@D)
	$(PIP) install --no-deps --target $(@D) ipykernel==$* nest-asyncio
	@touch $@
