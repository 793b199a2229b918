# make demo   set up, run the benchmark on drawn tissue, leave demo/report.html
# make test   set up, run the tests; test-long a few slow ones that CI runs too, test-all all
# make docs   set up, build the documentation as a site: docs/_build/html/index.html
# make soak   set up, attack askmask for hours: docs/reliability.md (SOAK="floods --seed 7" for parts)
# make bench  set up, run the benchmarks at small sizes
# make check-wheel  install the built wheel and each extra in a fresh environment, run the example
# make check  format, lint, types, layers, the page's scripts (what CI runs; needs node and npm)

PYTHON ?= python3
BIN := .venv/bin
# What is imported is compiled at its first import. Compiling all of torch ahead takes half a minute.
unexport PYTHONDONTWRITEBYTECODE
# A plain newer torch pulls gigabytes of CUDA packages; set CONSTRAINTS= on a GPU machine.
CONSTRAINTS ?= -c constraints-cpu.txt

SOAK ?=

.PHONY: demo test test-long test-all soak docs bench check check-page check-wheel clean

QUERY := demo/run/trials/predictive_entropy-region-seed0/gallery
# A file of tests stays in one process, since its tests share servers and trained projects.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile

BENCHMARKS := $(wildcard $(patsubst %,benchmarks/%.py,pool_scoring regions calibration training end_to_end))

.venv/.installed: pyproject.toml constraints-cpu.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-compile --editable ".[dev]" $(CONSTRAINTS)
	touch $@

demo: .venv/.installed
	rm -rf demo
	$(BIN)/askmask prepare demo demo/data
	$(BIN)/askmask simulate examples/demo.yaml --out demo/run
	cp demo/run/report.html demo/run/results.csv demo/run/summary.json demo/
	cp $(QUERY)/round_001_1_*.png demo/query.png  # README.md shows one
	@echo "Open demo/report.html"

test: .venv/.installed
	$(PYTEST) -m "not slow and not gpu and not network"

test-long: .venv/.installed
	$(PYTEST) -m long

test-all: .venv/.installed
	$(PYTEST) --hypothesis-profile thorough -m "not gpu and not network"

soak: .venv/.installed
	PYTHONPATH=tests $(BIN)/python -m soak $(SOAK)

docs: .venv/.installed
	$(BIN)/python -m sphinx -q -W --keep-going -j auto -b html docs docs/_build/html

bench: .venv/.installed
	set -e; for script in $(BENCHMARKS); do $(BIN)/python $$script --small --turns 1; done

check: .venv/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py
	$(MAKE) --no-print-directory check-page

# The tools come from npm by the lock file, once; nothing of them is used when askmask runs.
node_modules/.installed: package.json package-lock.json
	@command -v npm >/dev/null || { echo "make check: npm was not found, so the page's scripts cannot be checked. Install nodejs and npm (Debian: apt-get install nodejs npm)."; exit 2; }
	npm ci --no-audit --no-fund --loglevel=error
	touch $@

check-wheel: .venv/.installed
	.ci/wheel

check-page: node_modules/.installed
	npm run --silent check

clean:
	rm -rf .venv node_modules demo
