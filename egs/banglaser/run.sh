#!/usr/bin/env bash
# BanglaSER (Bangla) on its own.  Needs --db-root DIR with the corpus at DIR/banglaser.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe banglaser "$@"
