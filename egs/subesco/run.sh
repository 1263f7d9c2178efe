#!/usr/bin/env bash
# SUBESCO (Bangla) on its own.  Needs --db-root DIR with the corpus at DIR/subesco.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe subesco "$@"
