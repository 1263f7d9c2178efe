#!/usr/bin/env bash
# EMOVO (Italian) on its own.  Needs --db-root DIR with the corpus at DIR/emovo.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe emovo "$@"
