#!/bin/sh
# Everything a change of the Python verifier must pass: lint, types, tests, vectors, and what it costs.
set -eu
cd "$(dirname "$0")"
./setup.sh
.venv/bin/ruff format --check
.venv/bin/ruff check
.venv/bin/mypy
.venv/bin/pytest
.venv/bin/python bench/measure.py
