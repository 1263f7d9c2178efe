#!/usr/bin/env bash
# ShEMO (Persian) on its own.  Needs --db-root DIR with the corpus at DIR/shemo.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe shemo "$@"
