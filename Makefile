# What can be done here: `make` lists it. How it is done stands in scripts/.
export VENV ?= .venv
export PYTHON ARGS
python := $(VENV)/bin/python

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: environment
environment: ## creates or updates .venv, from the lock that fits this machine; the others do this first
	@scripts/environment.sh

.PHONY: demo
demo: environment ## the whole pipeline on real scans of digits, and where the model is
	@$(python) -m pipelines.demo

.PHONY: test
test: environment ## the tests; some of them: make test ARGS="tests/test_splits.py -x"
	@$(python) -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: test-current
test-current: ## the tests on the current stack, in a Debian 13 root where this machine is too old for it
	@scripts/debian13.sh make test

.PHONY: check
check: environment ## format, lint, types, import contracts
	@$(python) -m ruff format --check .
	@$(python) -m ruff check .
	@$(python) -m mypy
	@$(VENV)/bin/lint-imports --no-logo --no-cache

.PHONY: format
format: environment ## formats, and mends what ruff can mend
	@$(python) -m ruff check --fix-only .
	@$(python) -m ruff format .

.PHONY: bench
bench: environment ## the tables of benchmarks/
	@for script in $(sort $(wildcard benchmarks/*.py)); do echo "$$script" && $(python) "$$script" || exit 1; done

.PHONY: docs
docs: environment ## the pages of docs/ and the reference as a site, in build/site
	@$(python) scripts/configuration_page.py
	@NO_MKDOCS_2_WARNING=1 $(python) -m mkdocs build --strict
	@echo "build/site/index.html (with its search: $(python) -m http.server -d build/site)"

.PHONY: package
package: environment ## wheel and source distribution in dist/, tried in empty environments
	@scripts/check_package.sh

.PHONY: lock
lock: ## locks anew after a change in setup.cfg or requirements/*.in; newest versions: make lock ARGS=--upgrade
	@scripts/lock.sh $(ARGS)

.PHONY: clean
clean: ## removes the environments, the Debian 13 root and caches
	@scripts/debian13.sh --remove
	rm -rf .venv build dist *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
