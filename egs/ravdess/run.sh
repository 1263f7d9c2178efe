#!/usr/bin/env bash
# RAVDESS speech (English) on its own.  Needs --db-root DIR with the corpus at DIR/ravdess.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe ravdess "$@"
