#!/usr/bin/env bash
# Measure speed as ratios of two ways to do the same work, in one run on the same cores:
#   tests/benchmarks/run.sh [NAME ...]     e.g. tests/benchmarks/run.sh extraction probe
# Writes tests/benchmarks/results.json.  Real speech is looked for at $XSER_TEST_CORPORA.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
"$root/utils/install.sh" --dev
. "$root/path.sh"
cd "$root"
exec python3 -m tests.benchmarks.run "$@"
