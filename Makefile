# Everything runs in .venv, which is made once from the pins in pyproject.toml and constraints.txt, and used again.
PYTHON ?= python3
VENV := .venv
CORES ?= all
CONFIG ?= config/config.yaml
KILLS ?= 30
SEED ?= 0
RUN = $(shell sed -n 's/^run: *//p' $(CONFIG))
SNAKEMAKE = $(VENV)/bin/snakemake --cores $(CORES) $(if $(filter-out config/config.yaml,$(CONFIG)),--configfile $(CONFIG) --)

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-slurm lint docs figures precision bench bench-gpu chaos clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
		{ echo "error: $$($(PYTHON) --version) found, Python 3.11 to 3.13 wanted. Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo "installing the packages into $(VENV); this takes minutes"
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(VENV)/installed ## Run the whole workflow on the bundled pages (CONFIG=... for another configuration)
	@$(SNAKEMAKE)
	@echo
	@cat results/$(RUN)/tables/nq_evaluation.md 2>/dev/null || cat results/$(RUN)/tables/question_answering.md
	@echo
	@echo "figure: results/$(RUN)/figures/grid.svg (and .pdf, .png; one file for each panel beside it)"
	@echo "tables: results/$(RUN)/percentages.tsv, results/$(RUN)/tables/"
	@echo "pairs:  results/$(RUN)/report/explorer.html, for a browser"

figures: $(VENV)/installed ## Draw the figures of the demo again where something has changed
	@$(SNAKEMAKE) figures

test: $(VENV)/installed lint ## Run the test suite
	$(VENV)/bin/pytest

test-slow: $(VENV)/installed ## Run the slow tests: whole runs, kills, faults of a hub, memory, real data
	$(VENV)/bin/pytest -m slow

test-slurm: $(VENV)/installed ## Run the demo through a Slurm started here (root, Debian; else skipped; FAULTS=1 for faults, too)
	@$(VENV)/bin/python tests/slurm/run.py --config config/config.yaml $(if $(FAULTS),--faults)

lint: $(VENV)/installed ## Check style and types: ruff, mypy, snakefmt, snakemake --lint
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/snakefmt --check --compact-diff Snakefile workflow
	$(VENV)/bin/snakemake --lint

docs: $(VENV)/installed ## Build the documentation into site/, and stop at a dead link
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict
	@echo "site/index.html"

precision: $(VENV)/installed ## Compare the probing sets with the labels (NQ="FILES" SQUAD="FILES")
	@$(VENV)/bin/python benchmarks/precision.py $(if $(NQ),--nq $(NQ)) $(if $(SQUAD),--squad $(SQUAD))

# The peer that extraction is compared with: in a folder of its own, without the old versions that it asks for.
$(VENV)/neurox: $(VENV)/installed
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $@ neurox==1.0.9 || \
		echo "NeuroX cannot be installed; its rows are left out"

bench: $(VENV)/neurox ## Measure how fast extraction, training, ranking, reading and grafting are
	@PYTHONPATH=$(VENV)/neurox $(VENV)/bin/python benchmarks/extraction.py
	@CUDA_VISIBLE_DEVICES= $(VENV)/bin/python benchmarks/training.py
	@$(VENV)/bin/python benchmarks/ranking.py
	@$(VENV)/bin/python benchmarks/reading.py
	@$(VENV)/bin/python benchmarks/grafting.py

bench-gpu: $(if $(WITH),,$(VENV)/installed) ## Compare a GPU with the CPU and measure it (WITH=python3: by that Python and its packages)
	@PYTHONPATH=workflow $(or $(WITH),$(VENV)/bin/python) benchmarks/gpu.py

chaos: $(VENV)/installed ## Kill the demo 30 times and compare (KILLS=..., SEED=...)
	@$(VENV)/bin/python tests/workflow/chaos.py --config $(CONFIG) --kills $(KILLS) --seed $(SEED)

clean: ## Delete the demo's results (not the environment)
	rm -rf results/demo
