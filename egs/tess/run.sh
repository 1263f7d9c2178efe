#!/usr/bin/env bash
# TESS (Canadian English, two speakers) on its own.  Needs --db-root DIR with the corpus at DIR/tess.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe tess "$@"
