#!/usr/bin/env bash
# PAVOQUE (German, one speaker).  Needs --db-root DIR with the corpus at DIR/pavoque.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe pavoque "$@"
