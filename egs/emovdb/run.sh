#!/usr/bin/env bash
# EmoV-DB (English, four speakers) on its own.  Needs --db-root DIR with the corpus at DIR/emovdb.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe emovdb "$@"
