# cdk-sglang: `make help` lists the targets. Everything they need is installed by them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# Resolved before PATH includes .venv, which may be incomplete.
PYTHON ?= $(shell command -v python3)
PYTHON := $(PYTHON)
BIN := .venv/bin
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$(PATH)
# Node 24 from the virtual environment: jsii warns about the older node of many machines.
export JSII_NODE := $(CURDIR)/.venv/bin/node
export CDK_DISABLE_CLI_TELEMETRY := true
export PORT ENGINE AGENT UPGRADE INSTALLER
# Bytecode is written where modules are first used: compiling all 40,000 files at set-up takes longer than all else in it.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPATH := $(CURDIR)/constructs:$(CURDIR)

LOCK_HASH := $(shell cat requirements.lock package-lock.json 2>/dev/null | sha256sum | cut -c1-16)
STAMP := .venv/.installed-$(LOCK_HASH)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(STAMP) ## .venv with the project, its tools, node 24 and the CDK CLI (1 to 2 minutes, once)

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; set PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m tools.setup $@

.PHONY: lock
lock: ## regenerate the locked requirements from their ranges, keeping versions that still fit (UPGRADE=1: the newest)
	@$(PYTHON) -m tools.lock

.PHONY: schema
schema: setup ## regenerate environments/schema.json from the settings
	@python tools/schema.py

.PHONY: fmt
fmt: setup ## format and fix what can be fixed
	@ruff format . && ruff check --fix .

# After a recipe that fails, make adds a line of its own (`make: *** …`), with -s too (GNU Make 4.3): only exit code 0 would keep it away.
ENV ?= local
.PHONY: synth
synth: setup ## templates of one environment, checked five ways, and its plan: make synth ENV=prod
	@cdk-sglang synth --env "$(ENV)"

.PHONY: deploy
deploy: setup ## foundation, weights, fleet of one environment, with your AWS credentials: make deploy ENV=dev
	@test "$(origin ENV)" != file || { echo "make deploy: say which environment, such as make deploy ENV=dev" >&2; exit 2; }
	@cdk-sglang deploy --env "$(ENV)" $(ARGS)

.PHONY: destroy
destroy: setup ## delete the stacks of one environment, with your AWS credentials; says what stays: make destroy ENV=dev
	@test "$(origin ENV)" != file || { echo "make destroy: say which environment, such as make destroy ENV=dev" >&2; exit 2; }
	@cdk-sglang destroy --env "$(ENV)" $(ARGS)

.PHONY: engine
engine: ## the SGLang engine for this machine's CPU in .venv-engine (3 GB, 1 to 5 minutes, once)
	@$(PYTHON) -m localcloud.engine.install

.PHONY: bench-tools
bench-tools: ## AIPerf for cdk-sglang bench in .venv-bench (1.2 GB, 1 to 3 minutes, once)
	@$(PYTHON) -m tools.bench_tools

.PHONY: agent-tools
agent-tools: ## the agents' packages in .venv-agent (0.2 GB, half a minute, once)
	@$(PYTHON) -m tools.agent_tools

.PHONY: both
both: # .venv, .venv-engine and .venv-agent in parallel: one downloads while the other unpacks
	@$(MAKE) --silent --jobs=3 PYTHON="$(PYTHON)" setup engine agent-tools

.PHONY: local
local: both ## deploy environments/local.yaml to the embedded AWS and ask the model a question (PORT=4566, AGENT=1 for the agent too)
	@$(BIN)/python -m localcloud.local up

.PHONY: local-down
local-down: setup ## destroy and stop what make local started
	@$(BIN)/python -m localcloud.local down

# One worker more than cores, 3 to 5: a worker waits for processes a third of its time. SGLang's servers run one after another whatever the number.
WORKERS ?= $(shell cores=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$(( cores < 2 ? 3 : cores > 4 ? 5 : cores + 1 )))

# The same order in every run, so that a failure in CI is one everywhere; SEED=default shuffles anew.
SEED ?= 20261201
# SECOND_LOOK=1 (.ci/run) runs few failures again, alone, and names them.
TESTS = $(if $(filter 1,$(SECOND_LOOK)),python -m tools.second_look,pytest)

.PHONY: test
test: $(if $(filter 0,$(ENGINE)),setup agent-tools,both) ## every test (ENGINE=0 leaves out those that need the SGLang engine)
	@$(TESTS) --numprocesses $(WORKERS) --dist loadfile --randomly-seed=$(SEED)

.PHONY: coverage
coverage: $(if $(filter 0,$(ENGINE)),setup agent-tools,both) ## make test with branch coverage, as HTML and XML in .coverage-report
	@rm -rf .coverage .coverage.* .coverage-report
	@status=0; coverage run -m pytest --numprocesses $(WORKERS) --dist loadfile $(ROOMS) || status=$$?; \
		coverage combine --quiet && coverage html --quiet --directory .coverage-report/html && \
		coverage xml --quiet -o .coverage-report/coverage.xml && \
		echo "coverage: $$(coverage report --format=total) %, see .coverage-report/html/index.html" && exit $$status

.PHONY: dist
dist: setup ## the wheels of the library and of the client alone in dist/
	@(python -m build --no-isolation --wheel && python -m build --no-isolation --wheel --outdir dist client) > .make/dist.log 2>&1 || (cat .make/dist.log; exit 1)
	@ls dist/*.whl

.PHONY: sbom
sbom: setup ## bills of materials (CycloneDX) of the wheels, the image, the agent and the copy of weights, in dist/sbom
	@python -m tools.sbom

.PHONY: check
check: setup ## every checker over the templates of every environment, for your CI: make check, or make check ENV="dev prod"
	@python -m tools.check $(if $(filter file,$(origin ENV)),,"$(ENV)")

.PHONY: check-all
check-all: setup ## of this repository itself: format, lint, types, layers, make check, and faults planted in the templates
	@ruff format --check --quiet . || (echo "run make fmt"; exit 1)
	@ruff check --quiet .
	@hadolint container/Dockerfile
	@mypy
	@lint-imports --no-cache > .make-imports.log 2>&1 || (cat .make-imports.log; exit 1)
	@rm -f .make-imports.log
	@python -m tools.check --all

.PHONY: mutants
mutants: setup ## faults put into our own templates, planted and generated, and the checkers that find them (COUNT=60 of each kind, SEED=7: another sample, DEPLOY=1: the embedded AWS too)
	@python -m tools.check.mutants $(if $(DEPLOY),--deploy)
	@python -m tools.check.generated $(COUNT) $(if $(filter-out file,$(origin SEED)),--seed=$(SEED)) $(if $(DEPLOY),--deploy)

.PHONY: rights
rights: setup ## each right of the local environment's roles taken away, deployed and called in the embedded AWS (EVERY=8: every eighth)
	@python -m tools.check.deployment.rights $(EVERY)

.PHONY: fuzz
fuzz: setup ## 2,000 random environments through synth and CDK's validation: make fuzz COUNT=200
	@python -m tools.fuzz $(COUNT)

.PHONY: bench
bench: setup ## benchmarks, each against its baseline in the same run
	@for file in benchmarks/*.py benchmarks/planner/bench.py; do echo "== $$file"; python $$file || failed=1; done; exit $${failed:-0}

.PHONY: docs
docs: setup ## the documentation as a site in dist/site, built strictly: no broken link, nothing public without a description
	@python -m tools.docs.undocumented
	@NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet
	@echo "dist/site/index.html; with search: python -m http.server --bind 127.0.0.1 --directory dist/site"

.PHONY: clean
clean: ## remove what make made
	@rm -rf .venv .venv-engine .venv-bench .venv-agent .venv-sbom .make node_modules cdk.out dist .local .coverage .coverage.* .coverage-report
