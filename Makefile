# make study   set up and run the main job on the embedded digits
# make test    set up and run the tests
# make bench   set up and measure every ratio: docs/speed.json and docs/speed.md; takes minutes
# make check   set up and run the linters and type checks
# make cluster-files   put what git tracks into .cluster, from where cluster.yaml copies it

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
# Whole files on two processes of one thread each, so that tests share what a file sets up.
ON_TWO := -n 2 --dist loadfile
# A study that keeps both cores busy by itself.
QUICK_STUDY := tests/study/test_quick_study.py
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: study test test-slow bench check cluster-files clean

study: $(VENV)/.installed
	$(BIN)/python -m study.search $(ARGS)

test: $(VENV)/.installed-test
	$(PYTEST) $(ON_TWO)

test-slow: $(VENV)/.installed-test
	$(PYTEST) -m slow --timeout 2400 $(QUICK_STUDY)
	$(PYTEST) -m slow --timeout 2400 $(ON_TWO) --ignore $(QUICK_STUDY)

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks.bench --json docs/speed.json --page docs/speed.md

check: $(VENV)/.installed-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

cluster-files:
	rm -rf .cluster
	mkdir .cluster
	git archive HEAD | tar -x -C .cluster

clean:
	rm -rf $(VENV) .cluster

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: $(PYTHON) is older than Python 3.11; give another: make PYTHON=..."; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing into $(VENV); torch alone takes some minutes the first time"
	$(INSTALL) -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(INSTALL) -e '.[test]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed
	$(INSTALL) -e '.[test,bench]'
	@touch $@

$(VENV)/.installed-check: $(VENV)/.installed
	$(INSTALL) -e '.[test,check]'
	@touch $@
