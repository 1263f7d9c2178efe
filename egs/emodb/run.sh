#!/usr/bin/env bash
# Berlin EmoDB (German) on its own.  Needs --db-root DIR with the corpus at DIR/emodb.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe emodb "$@"
