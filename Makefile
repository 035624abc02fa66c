# Everything from a bare Python >= 3.11; see README.md.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
WORKERS ?= 2
EPISODES ?= 100000
# What is shown of pip's output: a sign of life for every tenth package, and its last step.
PROGRESS = '/^Collecting/ && ++n % 10 == 0 {print "  " n " packages"; fflush()} /^Installing collected/ {print "  unpacking them"; fflush()}'

.PHONY: install test lint types check-imports bench demo fuzz soak soak-live soak-risk clean

install: $(READY)

$(READY): pyproject.toml constraints.txt
	@echo "installing into $(VENV), a few minutes on the first run"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)
	@rm -f $(READY)
	@{ $(BIN)/python -m pip install --progress-bar off --disable-pip-version-check --upgrade-strategy only-if-needed -c constraints.txt -e ".[dev]" && touch $(READY); } | awk $(PROGRESS)
	@test -f $(READY)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

check-imports: $(READY)
	$(BIN)/lint-imports

test: lint types check-imports
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

fuzz: $(READY)
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest tests/stateful tests/stats tests/spreads -m "not rehearsal"

# First 100 000 seeded episodes in virtual time (docs/simulation.md), then the live sessions.
soak: $(READY)
	$(BIN)/python -m rehearsals.simulation --episodes $(EPISODES) --workers $(WORKERS)
	$(MAKE) soak-live
	$(MAKE) soak-risk

# MINUTES=30 by default: a live session on the sandbox, judged by the exchange and a backtest.
soak-live: $(READY)
	$(BIN)/python -m rehearsals.soak $(if $(MINUTES),--minutes $(MINUTES))

# The risk rules live on the sandbox, a kill -9 in each scenario; about twenty minutes.
soak-risk: $(READY)
	$(BIN)/python -m rehearsals.risk_scenarios all

bench: $(READY)
	$(BIN)/python -m benchmarks

# At most 240 s, so that it fits in six minutes with the installation.
# make demo KEEP=1 leaves the bot and the exchange running and prints the API address.
demo: $(READY)
	$(BIN)/freqtrade-ext demo $(if $(KEEP),--keep,--seconds 240)

clean:
	rm -rf $(VENV) build *.egg-info demo_run
