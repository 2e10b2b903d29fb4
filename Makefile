# Everything starts here: `make help`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.PHONY: help setup quickstart build-all test lint unit e2e thorough test-uri prebuilt bench-uri frameworks lock contract-report public-scripts package docs engine-up engine-down bench bench-serving bench-publish kills interrupts steady release-trials measure clean

VENV := .venv
BIN := $(VENV)/bin
# End-to-end tests also wait: for containers to end, for limits of time.
E2E_WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)

help: ## Show this
	@echo "buildkit: SageMaker images from one images.toml"
	@echo
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	@echo
	@echo "Start with 'make quickstart', then read README.md."

setup: $(VENV)/.dev ## Make .venv with the project in it, and nothing else

$(VENV)/.dev: pyproject.toml scripts/dev/setup
	@scripts/dev/setup $(VENV) dev

quickstart: ## Engine, bases, registry; then build, test and publish the sklearn images
	@scripts/dev/quickstart

build-all: setup ## Build, test in full and publish every target of images.toml: an hour or two
	@scripts/dev/build-all

test: lint unit e2e ## Lint, types, unit tests, then the end-to-end tests on real parts

lint: setup ## Format, lint, types, shell scripts, workflows
	@$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/shellcheck --external-sources --source-path SCRIPTDIR $(filter-out %.py %/serving %/__pycache__,$(wildcard scripts/*/* scripts/bench/serving/classic/serve))
	PATH="$$PWD/$(BIN):$$PATH" $(BIN)/python scripts/dev/lint_workflows.py

unit: setup ## Tests that need no engine
	@$(BIN)/pytest -m 'not engine' --ignore tests/e2e -n auto

e2e: setup ## Tests on a real engine, with real images and a real registry
	@scripts/dev/with-engine $(BIN)/pytest -m engine -n $(E2E_WORKERS) --dist loadgroup $(PYTEST)

thorough: setup ## All cases of which `make test` tries a part (long)
	@BUILDKIT_THOROUGH=1 $(MAKE) unit e2e

test-uri: setup ## Compare all of AWS's image URIs with the SageMaker SDK's; 20,000 bad questions
	@AWS_DEFAULT_REGION=us-east-1 PYTHONPATH=. "$$(scripts/dev/sdk core)" tests/compare/compare.py
	QUESTIONS=20000 $(BIN)/pytest -n auto tests/unit/uri/test_uri_mistakes.py

bench-uri: setup ## Measure `buildkit uri` against the SageMaker SDK and bare Python
	@$(BIN)/python scripts/bench/bench_uri.py "$$(scripts/dev/sdk core)"

prebuilt: setup ## Write buildkit/prebuilt/images.txt anew from the SageMaker SDK; prints what changes
	@"$$(scripts/dev/sdk core)" scripts/data/prebuilt.py

frameworks: setup ## Write buildkit/matrix/frameworks.txt anew from the package index: five minutes
	@$(BIN)/python scripts/data/frameworks.py

lock: setup ## Write requirements.lock anew: what the release action installs, by its hashes
	@scripts/dev/lock

engine-up: ## Start a Docker engine if none answers; prints what to export
	@scripts/dev/engine up

engine-down: ## Stop and remove the engine and the registry that were started here
	@scripts/dev/registry down
	scripts/dev/engine down

contract-report: setup ## Test the suite itself: mutants killed, false positives on good images (long)
	@scripts/dev/with-engine $(BIN)/python -m tests.e2e.mutants $(CONTRACT)

public-scripts: setup ## Public example scripts, and AWS's tests of its serving container, on our images
	@[[ -d $${PIP_FIND_LINKS:-} ]] && export BUILDKIT_WHEELS=$${BUILDKIT_WHEELS:-$$PIP_FIND_LINKS}
	scripts/dev/with-engine $(BIN)/buildkit build 'sklearn-*-py311' 'xgboost-3*-py311' 'pytorch-2*-cpu-*' 'tensorflow-inference-*'
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist/aws-toolkits sagemaker-training==5.1.4 sagemaker-inference==1.10.1
	scripts/dev/with-engine $(BIN)/buildkit build --file examples/aws-toolkits/images.toml --all --wheels dist/aws-toolkits
	scripts/dev/with-engine $(BIN)/python scripts/public/public_scripts.py $(PUBLIC_SCRIPTS)
	scripts/dev/with-engine $(BIN)/python scripts/public/tfs_tests.py $(TFS_TESTS)

package: setup ## Build the tool's wheel and sdist, and try both outside of this checkout
	@scripts/dev/package packages

docs: setup ## Write docs/reference/clauses.md anew
	@$(BIN)/python scripts/data/clauses.py

bench: setup ## Measure the tool against what one would use instead
	@scripts/dev/with-engine $(BIN)/python scripts/bench/bench.py

bench-serving: setup ## Benchmark our model server against common ones
	@scripts/dev/with-engine $(BIN)/python scripts/bench/bench_serving.py

bench-publish: setup ## Measure publishing against docker push
	@PYTHONPATH=. scripts/dev/with-engine $(BIN)/python scripts/bench/bench_publish.py

kills: setup ## Kill a publish at 40 moments, and see what the registries hold (long)
	@BUILDKIT_KILLS=40 BUILDKIT_KILLED_TARGETS=12 scripts/dev/with-engine $(BIN)/pytest -q -m engine tests/e2e/publish/test_killed.py -o junit_family=xunit1 --junitxml=kills.xml

steady: setup ## Test built images 20 times beside busy processes: the same verdicts each time (long)
	@scripts/dev/with-engine $(BIN)/python scripts/bench/steady.py $(STEADY)

interrupts: setup ## Interrupt builds, tests and pushes at 100 moments, and see what they leave (long)
	@BUILDKIT_INTERRUPTS=$${BUILDKIT_INTERRUPTS:-100} scripts/dev/with-engine $(BIN)/pytest -q -m engine tests/e2e/engine/test_interrupted_anywhere.py -o junit_family=xunit1 --junitxml=interrupts.xml

release-trials: setup ## Break the release workflow at 30 steps, and see what the registry holds (long)
	@BUILDKIT_RELEASE_TRIALS=30 scripts/dev/with-engine $(BIN)/pytest -q -m engine tests/e2e/releases/test_release_workflow.py -k leaves_no_release -o timeout=0

measure: setup ## Measure each image of images.toml: size, start, requests per second (long)
	@scripts/dev/with-engine $(BIN)/python scripts/bench/measure_images.py

clean: ## Remove .venv, dist/ and caches of this folder
	@rm -rf $(VENV) dist packages .mypy_cache .ruff_cache .pytest_cache .hypothesis
