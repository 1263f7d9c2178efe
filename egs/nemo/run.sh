#!/usr/bin/env bash
# nEMO (Polish) on its own.  Needs --db-root DIR with the corpus at DIR/nemo.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe nemo "$@"
