#!/usr/bin/env bash
# Set up and run the tests: the unit tests (seconds each), then whole recipes (minutes).
#   tests/run.sh                               everything
#   tests/run.sh tests/utils -k ark --lf       arguments are pytest's
#   tests/run.sh -m "not integration"          one kind
# They run in a process a core, those of one kind and file in one, so that what they share is made once (tests/conftest.py
# says the order); -n 0: all in one.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
utils/install.sh --dev
. ./path.sh

exec python3 -m pytest -n auto --dist loadgroup --no-loadscope-reorder "$@"
