#!/usr/bin/env bash
# SAVEE (British English, four men) on its own.  Needs --db-root DIR with the corpus at DIR/savee.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe savee "$@"
