#!/usr/bin/env bash
# CREMA-D (American English) on its own.  Needs --db-root DIR with the corpus at DIR/cremad.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe cremad "$@"
