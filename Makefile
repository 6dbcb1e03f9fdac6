# Everything is set up by these targets: a fresh machine needs Python >= 3.11 and make, nothing else.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin

# The first of these that is new enough and able to make an environment. Override: make test PYTHON=/path/to/python
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; \
	done)

# Every package is pinned with its hash. The locks are complete, so pip resolves nothing (--no-deps) and
# builds with the packages of requirements/build.txt alone (--no-build-isolation).
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --no-input
INSTALL := $(PIP) install --no-deps --no-build-isolation --use-pep517

##@ Try it

.PHONY: demo
demo: $(VENV)/demo.stamp ## Run the pipeline on the flights and the weather of New York, 2013, into ./lake
	$(BIN)/python demo/lay_out_flights.py data_source
	$(BIN)/quarterlake run data_source --lake lake

.PHONY: demo-large
demo-large: $(VENV)/demo.stamp ## The same on TPC-H orders and line items (7.5 million rows, 1 GB) into ./lake_large
	$(BIN)/python demo/lay_out_tpch.py data_source_large
	$(BIN)/quarterlake run data_source_large --lake lake_large

##@ The stack

.PHONY: env
env: ## Write .env with random secrets; give an old one what it lacks
	$(PYTHON) config/make_env.py

.PHONY: run
run: ## Ingest and publish a period in the running stack: make run PERIOD=2013-Q1
	@test -n "$(PERIOD)" || { echo "Name the period: make run PERIOD=2013-Q1" >&2; exit 2; }
	docker compose exec -T airflow-scheduler python -m quarterlake_orchestration.run $(PERIOD)

##@ Work on it

# Tests of Spark on S3 need its jars, which Maven fetches; without Java or Maven those tests are skipped, and say so.
.PHONY: test
test: $(VENV)/dev.stamp $(if $(shell command -v mvn),.spark-jars) ## Run the tests and report their coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PYTEST_FLAGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# Airflow has an environment of its own, as it has an image of its own.
.PHONY: test-orchestration
test-orchestration: $(VENV)-airflow/stamp ## Test the DAGs, in an environment of their own
	cd orchestration && AIRFLOW_HOME=$(CURDIR)/$(VENV)-airflow/home AIRFLOW__CORE__LOAD_EXAMPLES=false \
		../$(VENV)-airflow/bin/python -m pytest -p no:cacheprovider $(PYTEST_FLAGS)

$(VENV)-airflow/stamp: orchestration/requirements-test.txt
	$(call make-environment,$(VENV)-airflow)
	$(VENV)-airflow/bin/python -m pip --disable-pip-version-check --quiet --no-input install --no-deps --require-hashes -r orchestration/requirements-test.txt
	@touch $@

# Base images come from a registry; a script beside the checkout that provides them otherwise is called first.
.PHONY: stack-test
stack-test: $(VENV)/dev.stamp ## Build and start the stack from a clean checkout and put it to the test (needs Docker and npm)
	test ! -x ../shared/standin-images.sh || ../shared/standin-images.sh || echo "no Docker engine could be started here"
	QUARTERLAKE_STACK_TEST=1 $(BIN)/python -m pytest tests/stack -s -v -x $(PYTEST_FLAGS)

# The picture ends with its source's hash, by which a test tells whether it is stale.
.PHONY: docs
docs: .mermaid/stamp ## Render docs/architecture.mmd (needs npm, and Chromium as Debian has it)
	.mermaid/node_modules/.bin/mmdc --quiet -i docs/architecture.mmd -o docs/images/architecture.svg \
		--configFile docs/mermaid/config.json --puppeteerConfigFile docs/mermaid/puppeteer.json --backgroundColor white
	printf '\n<!-- sha256 of architecture.mmd: %s -->\n' "$$(sha256sum docs/architecture.mmd | cut -d' ' -f1)" >> docs/images/architecture.svg

.mermaid/stamp: docs/mermaid/package.json
	mkdir -p .mermaid && cp docs/mermaid/package.json .mermaid/
	cd .mermaid && PUPPETEER_SKIP_DOWNLOAD=1 npm install --silent --no-package-lock --ignore-scripts
	@touch $@

.PHONY: screenshots
screenshots: $(VENV)/dev.stamp ## Take the screenshots of the README from the demo (needs chromium)
	$(BIN)/python demo/lay_out_flights.py demo/.work/data_source
	$(BIN)/quarterlake run demo/.work/data_source --lake demo/.work/lake
	$(BIN)/python demo/take_screenshots.py demo/.work/lake docs/images

.PHONY: lint
lint: $(VENV)/dev.stamp ## Check style, format, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy demo bench client tests
	$(BIN)/lint-imports

.PHONY: format
format: $(VENV)/dev.stamp ## Format the code and make the fixes that are safe
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(VENV)/dev.stamp ## Compare with a hand-written script (BENCH_FLAGS="--rows 3000000 --repeat 3")
	$(BIN)/python bench/compare.py $(BENCH_FLAGS)

.PHONY: bench-spark
bench-spark: $(VENV)/dev.stamp ## Compare the engine spark with the usual Spark job (BENCH_FLAGS="--rows 3000000 --repeat 2")
	$(BIN)/python bench/compare_spark.py $(BENCH_FLAGS)

.PHONY: bench-delivery
bench-delivery: $(VENV)/dev.stamp ## Compare the delivery API with an empty endpoint (BENCH_FLAGS="--rounds 5")
	$(BIN)/python bench/delivery.py $(BENCH_FLAGS)

# uv only makes the locks; it is installed in an environment of its own that is thrown away.
LOCK := UV_CUSTOM_COMPILE_COMMAND="make lock" $(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links

.PHONY: lock
lock: ## Remake the lock files (LOCK_FLAGS=--upgrade takes the newest versions)
	$(call make-environment,$(VENV)-lock)
	$(VENV)-lock/bin/python -m pip --disable-pip-version-check --quiet install uv
	$(LOCK) $(LOCK_FLAGS) pyproject.toml --group dev --group demo -o requirements/dev.txt
	$(LOCK) $(LOCK_FLAGS) -c requirements/dev.txt --excludes requirements/excluded.txt pyproject.toml --extra delivery --extra client --group demo -o requirements/demo.txt
	$(LOCK) $(LOCK_FLAGS) -c requirements/dev.txt pyproject.toml -o requirements/run.txt
	$(LOCK) $(LOCK_FLAGS) -c requirements/dev.txt pyproject.toml --extra spark -o requirements/spark.txt
	$(LOCK) $(LOCK_FLAGS) -c requirements/dev.txt pyproject.toml --extra service -o requirements/ingestion.txt
	$(LOCK) $(LOCK_FLAGS) -c requirements/dev.txt pyproject.toml --extra service --extra spark -o requirements/processing.txt
	$(LOCK) $(LOCK_FLAGS) -c requirements/dev.txt pyproject.toml --extra delivery -o requirements/delivery.txt
	$(LOCK) $(LOCK_FLAGS) -c requirements/dev.txt pyproject.toml --extra spark-local -o requirements/spark-server.txt
	$(LOCK) $(LOCK_FLAGS) -c requirements/dev.txt requirements/build.in -o requirements/build.txt
	$(LOCK) $(LOCK_FLAGS) orchestration/requirements.in -o orchestration/requirements.txt
	$(LOCK) $(LOCK_FLAGS) -c orchestration/requirements.txt orchestration/requirements.in orchestration/test.in -o orchestration/requirements-test.txt
	rm -rf $(VENV)-lock

.PHONY: spark-jars
spark-jars: .spark-jars ## Fetch the jars with which Spark reads S3, checked against spark/jars.lock
	@echo "Set QUARTERLAKE_SPARK_JARS=$(CURDIR)/.spark-jars"

.spark-jars: spark/pom.xml spark/jars.lock
	spark/resolve_jars.sh $@

.PHONY: spark-jars-lock
spark-jars-lock: ## Remake spark/jars.lock after a change of spark/pom.xml
	spark/resolve_jars.sh .spark-jars --lock

.PHONY: clean
clean: ## Remove the environment and all that was made here, except lakes, data and contracts
	rm -rf $(VENV) $(VENV)-lock $(VENV)-airflow .mermaid .spark-jars bench/.work demo/.work dist .coverage .coverage.* \
		.hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find src tests demo bench client -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## Show this
	@awk 'BEGIN { FS = ":.*## "; print "Usage: make TARGET" } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' Makefile

# The environment: one folder, a stamp for each lock file that has been installed into it.

define make-environment
	@test -n "$(PYTHON)" || { \
		echo "No Python >= 3.11 that can make environments (venv) was found: install one, or name it with make PYTHON=..." >&2; \
		exit 1; }
	@rm -rf $(1)
	$(PYTHON) -m venv $(1)
endef

$(VENV)/build.stamp: requirements/build.txt
	$(call make-environment,$(VENV))
	$(PIP) install --no-deps --require-hashes -r requirements/build.txt
	@touch $@

$(VENV)/demo.stamp: requirements/demo.txt pyproject.toml $(VENV)/build.stamp
	$(INSTALL) --require-hashes -r requirements/demo.txt
	$(INSTALL) --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt pyproject.toml $(VENV)/build.stamp
	$(INSTALL) --require-hashes -r requirements/dev.txt
	$(INSTALL) --editable .
	@touch $@
