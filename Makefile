# Everything installs into .venv in the checkout, on first use and again when the versions change.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
PEERS := .venv/peers

# Bytecode is kept, whatever the environment says: the suite starts many processes, and each would compile all it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test laws wire crash load check notebooks bench bench-full clean
help:
	@echo "make demo   the sample shop and six questions answered"
	@echo "make test   the whole suite"
	@echo "make laws   the long property tests"
	@echo "make wire   a real, very small language model on this machine, over the wire"
	@echo "make crash  kill -9 at 200 random instants, nothing lost, nothing twice"
	@echo "make load   readers and writers on one store for a minute; the service under load, then kill -9 and a count"
	@echo "make check  ruff, mypy, import-linter"
	@echo "make notebooks  the notebooks, top to bottom"
	@echo "make bench  how fast it imports, reads and answers; 2 million events beside SQL by hand and other engines"
	@echo "make bench-full  the same questions of 20 million events"
	@echo "make clean  removes the virtual environment and caches"

demo: $(READY)
	$(BIN)/persona demo

test: $(READY)
	$(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder -m "not laws"

laws: $(READY)
	$(BIN)/pytest -n 2 -m laws

wire: $(READY)
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[all,dev,wire]'
	PERSONA_WIRE=1 $(BIN)/pytest tests/test_model_wire.py -s

crash: $(READY)
	$(BIN)/pytest tests/test_crash.py --kills 200 -s

load: $(READY)
	$(BIN)/pytest tests/test_under_load.py --seconds 60 -s
	$(BIN)/python -m benchmarks.load

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

notebooks: $(READY)
	$(BIN)/pytest --nbmake -n 2 notebooks

bench: $(PEERS)
	$(BIN)/python benchmarks/bench.py
	$(BIN)/python benchmarks/export.py
	$(BIN)/python -m benchmarks.ask 2M

bench-full: $(PEERS)
	$(BIN)/python -m benchmarks.ask 20M

# The engines that only the benchmarks need.
$(PEERS): $(READY)
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[all,dev,bench]'
	touch $@

# The build tools are installed first and from the same pins, so that no build reaches for another version.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or later is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt hatchling editables
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[all,dev]'
	touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
