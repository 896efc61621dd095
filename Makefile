# Two doors: `make repro` runs the pipeline, `make test` runs the tests.

SHELL := bash
.SHELLFLAGS := -o pipefail -c

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Stages run as `python -m stages.…`: the project's own Python must come first.
export PATH := $(abspath $(BIN)):$(PATH)
-include .env
export HF_TOKEN GOOGLE_APPLICATION_CREDENTIALS AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
# Set and empty would mean another thing than not set.
$(foreach name,MLFLOW_TRACKING_URI MLFLOW_TRACKING_USERNAME MLFLOW_TRACKING_PASSWORD WANDB_API_KEY \
  KAGGLE_API_TOKEN KAGGLE_USERNAME KAGGLE_KEY,\
  $(if $($(name)),$(eval export $(name))))

.PHONY: help repro recipes install install-tools install-dev system verify check-signature predict demo export publish remote check-remote emulator pull test lint sbom format bench lock
.DEFAULT_GOAL := help

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

repro: install  ## run the pipeline, print its verdict, compare with the commit; recipe=NAME switches to it first
	@$(if $(recipe),python -m tools.recipe use '$(recipe)')
	@python -m tools.recipe check
	@dvc repro
	@python -m verdict.report metrics/report
	@python -m verify.compare

recipes: install  ## list the recipes, and say which one is in use
	@python -m tools.recipe

install: $(VENV)/.installed  ## create .venv with the pinned requirements

install-tools: $(VENV)/.installed-tools  ## the same, with what the demo and signing need

install-dev: $(VENV)/.installed-dev  ## the same, with what tests and linters need

$(VENV)/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is `$(PYTHON) --version 2>&1`." \
	       "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

# With --no-deps, since gradio declares an older pillow: see requirements-tools.in.
$(VENV)/.installed-tools: $(VENV)/.installed requirements-tools.txt
	python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-tools.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-tools requirements-dev.txt
	python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# gcsfs would ask over a second protocol what kind of bucket it is: a minute against the emulator.
export GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT ?= false

remote: install  ## keep data in a bucket: make remote bucket=NAME prefix=PATH anonymous=yes
	@python -m tools.remote --bucket '$(bucket)' --prefix '$(prefix)' $(if $(anonymous),--anonymous-read)

check-remote: install  ## can this machine read the bucket?
	@python -m tools.remote --check

emulator: install-dev  ## try the remote here, without a cloud account; Ctrl-C ends it
	@python -m tools.emulator

pull: install  ## fetch what a judge needs; what=all fetches everything
	@python -m tools.pull $(or $(what),proof)

minutes ?= 10
verify: $(if $(key),install-tools,install)  ## check what holds, in a temporary clone; minutes=N, train=yes, key=FILE signs
	@python -m verify --minutes $(minutes) $(if $(train),--train) $(if $(key),--sign --private-key '$(key)')

check-signature: install-tools  ## check verification.sig and the files here: key=FILE, the signer's public key
	@python -m verify --check --public-key '$(or $(key),signing-key.pub.pem)'

predict: install  ## ask the tuned model: make predict image=lesion.jpg
	@python -m tools.predict --image '$(image)'

demo: install-tools  ## try the model in the browser, on this machine alone
	@python -m tools.demo

export: install  ## merge the adapter into one bfloat16 model: make export to=FOLDER
	@python -m tools.export --output '$(or $(to),exported)'

publish: install  ## publish adapter, card and metrics on the hub: repo=OWNER/NAME; dry=yes lists them
	@python -m tools.publish --repo '$(repo)' $(if $(dry),--dry-run) $(if $(private),--private)

# Debian's and Ubuntu's packages; elsewhere install Chromium or Chrome, and QEMU, by hand.
system:  ## install Chromium and QEMU for the tests that are skipped without them
	@{ command -v chromium || command -v google-chrome; } >/dev/null \
	  && command -v qemu-x86_64 >/dev/null || { \
	  as_root=; test "`id -u`" = 0 || as_root=sudo; \
	  $$as_root apt-get update --quiet --quiet \
	  && $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes chromium qemu-user; }

test: install-dev  ## run the tests, the quick ones first
	python -m pytest

lint: install-dev  ## check style, types, safety, and that what is imported is declared
	ruff check .
	ruff format --check .
	mypy
	bandit --configfile pyproject.toml --quiet --recursive verdict stages verify tools benchmarks
	PYTHONWARNINGS=ignore deptry .

sbom: install-dev  ## write sbom.cdx.json, the CycloneDX bill of materials of what is installed here
	cyclonedx-py environment --output-reproducible --output-file sbom.cdx.json $(VENV)

format: install-dev  ## bring the code into the common style
	ruff check --fix .
	ruff format .

bench: install-dev  ## measure a claim: make bench name=repro
	@test -f benchmarks/$(name).py || { \
	  echo "name one of: $(basename $(notdir $(filter-out %/__init__.py,$(wildcard benchmarks/*.py))))"; \
	  exit 1; }
	python -m benchmarks.$(name)

PIP_COMPILE = pip-compile --quiet --strip-extras --allow-unsafe --no-annotate --no-header \
  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

# Pins stay as they are unless requirements*.in asks for another; empty a .txt to renew them all.
# torch's own wheel names the CUDA packages it needs; pinning them would force them on CPUs.
lock: install-dev  ## pin requirements*.in exactly in requirements*.txt
	@for name in requirements requirements-server requirements-ray requirements-dev requirements-gpu; do \
	  cp $$name.txt $$name.partial 2>/dev/null || true; \
	  $(PIP_COMPILE) --output-file=$$name.partial $$name.in || exit 1; \
	  { echo "# Made by \`make lock\` from $$name.in; edit that."; \
	    grep -E '^[a-z0-9]' $$name.partial | grep -vE '^(nvidia-|triton|cuda-)' \
	    | sed -E 's/^(torch==[0-9.]+)\+.*/\1/'; } > $$name.locked; \
	  mv $$name.locked $$name.txt; rm $$name.partial; \
	done
	@uv pip compile --quiet --no-annotate --no-header --no-emit-index-url --override requirements.txt \
	  --constraint requirements.txt requirements-tools.in --output-file requirements-tools.partial
	@{ echo "# Made by \`make lock\` from requirements-tools.in; edit that."; \
	  grep -E '^[a-z0-9]' requirements-tools.partial | grep -vxFf requirements.txt; } > requirements-tools.txt
	@rm requirements-tools.partial
