# make setup | demo | test | lint | clean | distclean
# ARGS is passed on:   make demo ARGS="--seed 7"   make test ARGS="test/geometry -k exp"
# PYTHON names the interpreter (3.11 or 3.12):   make setup PYTHON=/usr/bin/python3

PYTHON ?= python3
ARGS ?=
# An environment keeps the Python it was made with, unless PYTHON is given on the command line.
SETUP = $(PYTHON) tools/setup_environment.py $(if $(filter command%,$(origin PYTHON)),--this-python)
ENVIRONMENT = . .venv/environment.sh
PACKAGE_XML = package.xml $(wildcard interfaces/*/package.xml interfaces/bare/*/package.xml)

.PHONY: help setup demo test lint run-lint clean distclean

help:
	@echo "make setup      set up everything in .venv/ (or, on a ROS 2 Jazzy machine, in install/ and .venv/)"
	@echo "make demo       pick three named items in the simulated cell; the report is out/demo/report.html"
	@echo "make test       lint and all tests"
	@echo "make lint       ruff, mypy, ament_xmllint"
	@echo "make clean      remove results, logs and tools' caches"
	@echo "make distclean  also remove the environment and what colcon built"

setup:
	@$(SETUP) test

demo:
	@$(SETUP) run
	@$(ENVIRONMENT) && $$OBJECTCENTRIC demo $(ARGS)

test:
	@$(SETUP) test
	@$(MAKE) --no-print-directory -s run-lint
	@$(ENVIRONMENT) && .venv/bin/python -m pytest --reruns 2 $(ARGS)

lint:
	@$(SETUP) test
	@$(MAKE) --no-print-directory -s run-lint

run-lint:
	@echo "lint: ruff" && .venv/bin/ruff check .
	@echo "lint: mypy" && .venv/bin/mypy
	@echo "lint: ament_xmllint" && $(ENVIRONMENT) && ament_xmllint $(PACKAGE_XML)

clean:
	rm -rf out .pytest_cache .mypy_cache .ruff_cache objectcentric_ros.egg-info
	find objectcentric_ros test tools launch -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv build install log
