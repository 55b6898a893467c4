#!/bin/sh
# Makes .venv with the package and what its tests need, unless it is there for this very pyproject.toml.
set -eu
cd "$(dirname "$0")"
cmp -s pyproject.toml .venv/made-for && exit 0
rm -rf .venv
python3 -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]'
cp pyproject.toml .venv/made-for
