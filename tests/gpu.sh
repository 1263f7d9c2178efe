#!/usr/bin/env bash
# Hold every path that a GPU takes to what the CPU gives, on the bundled speech: about ten minutes.
#   tests/gpu.sh                     exit status 0: all within tolerance; 1: not; 3: no GPU is seen
#   tests/gpu.sh --device cpu --small    the CPU against itself with tiny models: tries out the program
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
utils/install.sh --dev
. ./path.sh
exec python3 -m tests.gpu "$@"
