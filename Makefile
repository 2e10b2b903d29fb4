# `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.PHONY: help setup quickstart build-all test lint unit runtime e2e thorough test-uri prebuilt bench-uri frameworks drift lock contract-report public-scripts package docs engine-up engine-down bench bench-skip bench-serving bench-publish kills interrupts steady release-trials measure clean

VENV := .venv
BIN := $(VENV)/bin
# More than one process per CPU, because tests also wait: for processes, containers and time limits.
UNIT_WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
E2E_WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)
# Parts that no process of the end-to-end tests needs to load.
E2E_LESS := --ignore=tests/unit --ignore=tests/runtime -p no:hypothesispytest

help: ## List the targets
	@echo "buildkit: SageMaker images from one images.toml"
	@echo
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	@echo
	@echo "Start with 'make quickstart', then read README.md."

setup: $(VENV)/.dev ## Create .venv with the project and its development tools

$(VENV)/.dev: pyproject.toml scripts/dev/setup
	@scripts/dev/setup $(VENV) dev

quickstart: ## Start engine and registry; build, test and publish the sklearn images
	@scripts/dev/quickstart

build-all: setup ## Build, publish and fully test every target of images.toml (an hour or two)
	@scripts/dev/build-all

test: lint unit e2e ## Run lint, unit tests and end-to-end tests

lint: setup ## Check format, lint, types, shell scripts and workflows
	@$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	printf '%s\n' $(filter-out %.py %.txt %/serving %/__pycache__,$(wildcard scripts/*/* scripts/bench/serving/classic/serve)) |
		xargs -P 0 -n 4 $(BIN)/shellcheck --external-sources --source-path SCRIPTDIR
	PATH="$$PWD/$(BIN):$$PATH" $(BIN)/python scripts/dev/lint_workflows.py

unit: setup ## Run the tests that need no engine
	@$(BIN)/pytest -m 'not engine' --ignore tests/e2e -n $(UNIT_WORKERS)

runtime: setup ## Run the tests of the programs inside images with the Python of an image (RUNTIME_PYTHON=3.9)
	@scripts/dev/runtime $${RUNTIME_PYTHON:-3.9} -n $(UNIT_WORKERS)

e2e: setup ## Run the tests with a real engine, real images and a real registry
	@scripts/dev/with-engine $(BIN)/pytest -m engine -n $(E2E_WORKERS) --dist loadgroup $(E2E_LESS) $(PYTEST)

thorough: setup ## Run all cases of the tests of which `make test` runs a part (long)
	@BUILDKIT_THOROUGH=1 $(MAKE) unit e2e

test-uri: setup ## Compare all URIs of AWS's images with the SageMaker SDK's; try 20,000 bad queries
	@AWS_DEFAULT_REGION=us-east-1 PYTHONPATH=. "$$(scripts/dev/sdk core)" tests/compare/compare.py
	QUESTIONS=20000 $(BIN)/pytest -n auto tests/unit/uri/test_uri_mistakes.py

bench-uri: setup ## Benchmark `buildkit uri` against the SageMaker SDK and bare Python
	@$(BIN)/python scripts/bench/bench_uri.py "$$(scripts/dev/sdk core)"

prebuilt: setup ## Regenerate buildkit/prebuilt/images.txt from the SageMaker SDK; print the changes
	@"$$(scripts/dev/sdk core)" scripts/data/prebuilt.py

frameworks: setup ## Regenerate buildkit/matrix/frameworks.txt from the package index (five minutes)
	@$(BIN)/python scripts/data/frameworks.py

drift: setup ## Compare what clauses cite of AWS's API and images with the newest releases; print the changes
	@PYTHONPATH=. $(BIN)/python scripts/data/drift.py $(DRIFT)

lock: setup ## Regenerate requirements.lock, which the release action installs
	@scripts/dev/lock

engine-up: ## Start a Docker engine if none is running; print the variables to export
	@scripts/dev/engine up

engine-down: ## Remove the private engine and the registry
	@scripts/dev/registry down
	scripts/dev/engine down

contract-report: setup ## Test the suite itself: count killed mutants and false positives (long)
	@scripts/dev/with-engine $(BIN)/python -m tests.e2e.mutants $(CONTRACT)

public-scripts: setup ## Run public example scripts, and AWS's tests of its serving container, on our images
	@[[ -d $${PIP_FIND_LINKS:-} ]] && export BUILDKIT_WHEELS=$${BUILDKIT_WHEELS:-$$PIP_FIND_LINKS}
	scripts/dev/with-engine $(BIN)/buildkit build 'sklearn-*-py311' 'xgboost-3*-py311' 'pytorch-2*-cpu-*' 'tensorflow-inference-*'
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist/aws-toolkits sagemaker-training==5.1.4 sagemaker-inference==1.10.1
	scripts/dev/with-engine $(BIN)/buildkit build --file examples/aws-toolkits/images.toml --all --wheels dist/aws-toolkits
	scripts/dev/with-engine $(BIN)/python scripts/public/public_scripts.py $(PUBLIC_SCRIPTS)
	scripts/dev/with-engine $(BIN)/python scripts/public/tfs_tests.py $(TFS_TESTS)

package: setup ## Build wheel and sdist, and try both outside of this checkout
	@scripts/dev/package packages

docs: setup ## Regenerate docs/reference/clauses.md and the JSON Schema of images.toml
	@$(BIN)/python scripts/data/clauses.py
	@$(BIN)/python scripts/data/schema.py

bench: setup ## Benchmark buildkit against the alternatives
	@$(BIN)/python scripts/bench/bench_scale.py
	@scripts/dev/with-engine $(BIN)/python scripts/bench/bench.py

bench-skip: setup ## Benchmark runs in which nothing, or one file, has changed against bake
	@export PYTHONPATH=.
	scripts/dev/with-engine $(BIN)/python scripts/bench/bench_skip.py $(SIZES)
	scripts/dev/with-engine $(BIN)/python scripts/bench/bench_change.py

bench-serving: setup ## Benchmark our model server against common ones
	@scripts/dev/with-engine $(BIN)/python scripts/bench/bench_serving.py

bench-publish: setup ## Benchmark publishing against docker push
	@PYTHONPATH=. scripts/dev/with-engine $(BIN)/python scripts/bench/bench_publish.py

kills: setup ## Kill a publish at 40 moments, and check what remains in the registries (long)
	@BUILDKIT_KILLS=40 BUILDKIT_KILLED_TARGETS=12 scripts/dev/with-engine $(BIN)/pytest -q -m engine tests/e2e/publish/test_killed.py -o junit_family=xunit1 --junitxml=kills.xml

steady: setup ## Test built images 20 times beside busy processes, and compare the verdicts (long)
	@scripts/dev/with-engine $(BIN)/python scripts/bench/steady.py $(STEADY)

interrupts: setup ## Interrupt builds, tests and pushes at 100 moments, and check what remains (long)
	@BUILDKIT_INTERRUPTS=$${BUILDKIT_INTERRUPTS:-100} scripts/dev/with-engine $(BIN)/pytest -q -m engine tests/e2e/engine/test_interrupted_anywhere.py -o junit_family=xunit1 --junitxml=interrupts.xml

release-trials: setup ## Break the release workflow at 30 steps, and check what remains (long)
	@BUILDKIT_RELEASE_TRIALS=30 scripts/dev/with-engine $(BIN)/pytest -q -m engine tests/e2e/releases/test_release_workflow.py -k leaves_no_release -o timeout=0

measure: setup ## Measure size, start and requests per second of each image (long)
	@scripts/dev/with-engine $(BIN)/python scripts/bench/measure_images.py

clean: ## Remove .venv, dist/ and the caches of this folder
	@rm -rf $(VENV) dist packages .mypy_cache .ruff_cache .pytest_cache .hypothesis
