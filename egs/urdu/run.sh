#!/usr/bin/env bash
# URDU (Urdu) on its own.  Needs --db-root DIR with the corpus at DIR/urdu.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe urdu "$@"
