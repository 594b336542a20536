# The one door: `make` alone lists what there is. Every target sets itself up first.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

# A wheel of hnswlib compiled here must also run on other CPUs: docs/decisions/0002.
export HNSWLIB_NO_NATIVE := 1
# Nothing is fetched behind anyone's back: the language model comes with a package.
export HF_HUB_OFFLINE := 1
# Threads that spin while they wait make training ten times slower wherever another program wants the cores.
export OMP_WAIT_POLICY := PASSIVE

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# Index of PyTorch builds without CUDA (see pytorch.org): make setup TORCH_INDEX=https://...
TORCH_INDEX ?=
PARTS := runtime export training bench

bin := .venv/bin
ready := .venv/ready
demo := build/demo
run := $(bin)/pocketrec
heading = @printf '\n\033[1m%s\033[0m\n' '$(1)'

.PHONY: help setup demo test check pytest wheel clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(ready) ## Make .venv with all parts, pinned

# One stamp, so that set-up runs once and again only when the pins change.
$(ready): pyproject.toml constraints/py311.txt
	@PYTHON='$(PYTHON)' bash .ci/require
	$(PYTHON) -m venv .venv
	$(bin)/python -m pip install --quiet --disable-pip-version-check \
		$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -c constraints/py311.txt -e '.[dev]'
	@touch $@

demo: $(demo)/evaluate.json $(demo)/bench.json ## MovieLens-100K from raw logs to recommendations, in build/demo
	$(call heading,Recommendations for someone who just watched three films)
	@$(run) recommend --bundle $(demo)/bundle --history 50,172,181 -k 5 --explain
	$(call heading,The same person types a few words)
	@$(run) recommend --bundle $(demo)/bundle --history 50,172,181 --query 'romantic comedy' -k 5
	@printf '\nFigures and plots: '; cd $(demo) && echo *.json *.png "in $(demo)/"

$(demo)/dataset/dataset.json: | $(ready)
	$(call heading,1. Prepare: fetch and clean the raw logs)
	@$(run) prepare --demo ml-100k --out $(@D)

$(demo)/model/model.json: $(demo)/dataset/dataset.json
	$(call heading,2. Train: some minutes)
	@$(run) train --data $(<D) --out $(@D) --resume

# A third of the layers, half as wide, read a text in a quarter of the time, nearly as well: docs/decisions/0011.
$(demo)/tiny/model.json: $(demo)/model/model.json
	$(call heading,3. Distil: a tiny encoder learns to read as the large one does)
	@$(run) distil --model $(<D) --size tiny --out $(@D)

$(demo)/bundle/manifest.json: $(demo)/tiny/model.json
	$(call heading,4. Export: three graphs behind a gate and an index)
	@$(run) export --model $(<D) --out $(@D)

$(demo)/evaluate.json: $(demo)/bundle/manifest.json
	$(call heading,5. Evaluate: the bundle beside the model that was trained and baselines)
	@$(run) evaluate --data $(demo)/dataset --model $(demo)/model --bundle $(demo)/bundle \
		--json $@ --plot $(demo)/evaluate.png

$(demo)/bench.json: $(demo)/bundle/manifest.json $(demo)/evaluate.json
	$(call heading,6. Bench: one thread)
	@$(run) bench --bundle $(demo)/bundle --json $@ --plot $(demo)/latency.png

test: check pytest ## Everything that must hold before a change lands

check: $(ready) ## Lint, types, and the arrow between the parts
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy
	$(bin)/mypy tests/typing_api.py
	$(bin)/lint-imports

# Doctests of all four parts, the README's code and the built wheel are tests among the others. One process a core, each
# of one thread: most tests are too small to make use of two.
pytest: $(ready)
	OMP_NUM_THREADS=1 $(bin)/python -m pytest -n logical --maxprocesses 4 --dist worksteal --doctest-modules $(PARTS) tests

wheel: $(ready) ## Build dist/pocketrec-*.whl
	$(bin)/python -m build --wheel --no-isolation

clean: ## Remove what was built, but not .venv
	rm -rf build dist
