# Two commands do all the set-up: `make demo` shows the main job, `make test` passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NIGHTS := scenarios/wa_pta_night.yaml scenarios/small_ac.yaml scenarios/nrel_depot.yaml
LARGE := two_feeders_110 solar_132 utility_35 spiceev_30 wa_pta_night
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo demo-report test check lint bench bench-small bench-live soak-live soak-trials trials trials-large mutants \
	screenshots strategies clean help

help:
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.installed  ## set up, run a two-feeder bus depot with simulated charge points, name the page to open
	@$(BIN)/busbar demo

demo-report: $(VENV)/.installed  ## set up, play a night in the same depot, name the report to open
	@$(BIN)/busbar demo --report

test: $(VENV)/.dev  ## set up and run every test
	$(BIN)/pytest -n 2 --dist loadfile

check: lint test  ## what CI runs

lint: $(VENV)/.dev  ## format, lint, types, layers
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/mypy
	@for file in $$(find tests -name conftest.py); do MYPYPATH=tests/unit:tests/api $(BIN)/mypy --no-error-summary $$file || exit 1; done
	$(BIN)/lint-imports

bench: $(VENV)/.dev  ## speed, as ratios measured in one run (about 15 minutes)
	$(BIN)/python benchmarks/bench.py

bench-small: $(VENV)/.dev  ## the same up to 10 000 connectors (about 3 minutes)
	$(BIN)/python benchmarks/bench.py --sizes 100,1000,10000

bench-live: $(VENV)/.dev  ## thousands of charge points on one service (about a quarter of an hour)
	$(BIN)/python benchmarks/live.py --steady 15 --cuts 3

soak-live: $(VENV)/.dev  ## an hour of a served depot with 200 charge points: does anything grow?
	$(BIN)/python benchmarks/soak.py --charge-points 200 --minutes 60 --out reports/soak.json

soak-trials: $(VENV)/.dev  ## 72 simulated hours in which everything goes wrong: does anything grow?
	$(BIN)/python benchmarks/soak_trials.py --hours 72 --out reports/soak_trials.json

trials-large: $(VENV)/.installed  ## 20 days in the five large depots of the library; goes on where it was stopped
	@for name in $(LARGE); do \
	  $(BIN)/busbar simulate scenarios/$$name.yaml --faults --hours 24 --seeds 0:4 --into docs/runs/trials_$$name.json || failed=1; \
	done; exit $${failed:-0}

trials: $(VENV)/.installed  ## 100 half hours drawn at random in which everything goes wrong (about 10 minutes)
	$(BIN)/busbar simulate --faults --seeds 0:100

mutants: $(VENV)/.mutants  ## thousands of small changes to fill, audit and breaches: do the tests notice? (some hours)
	$(BIN)/python benchmarks/mutants.py run --seconds 5
	$(BIN)/python benchmarks/mutants.py table

screenshots: $(VENV)/.dev  ## every screen of the page, and the stories of fifteen minutes, into docs/screenshots
	$(BIN)/python docs/make_screenshots.py
	$(BIN)/python docs/make_story_screenshots.py

strategies: $(VENV)/.installed  ## what each strategy delivers with either leaf on the shipped nights, into docs/strategies.md
	$(BIN)/busbar compare $(NIGHTS) --leaves both --markdown > docs/.table
	$(BIN)/python -c "import pathlib, re; page = pathlib.Path('docs/strategies.md'); table = pathlib.Path('docs/.table'); \
	page.write_text(re.sub('(<!-- strategies -->\n).*(<!-- /strategies -->)', lambda m: m[1] + table.read_text().rstrip() + '\n' + m[2], \
	page.read_text(), flags=re.DOTALL)); table.unlink()"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Busbar needs Python 3.11 or newer (make PYTHON=python3.11 ...)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Setting up $(VENV) ..."
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	@echo "Compiling the fill, once (about half a minute) ..."
	@$(BIN)/python -c "import busbar; \
	projection = busbar.project(busbar.load_depot('scenarios/examples/depot.yaml')); \
	busbar.balance(projection, busbar.load_snapshot('scenarios/examples/snapshot.yaml', projection))"
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Setting up $(VENV) for development ..."
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.mutants: pyproject.toml constraints.txt | $(VENV)/.dev
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,mutants]'
	@touch $@

clean:  ## remove what was built
	rm -rf $(VENV) reports .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
