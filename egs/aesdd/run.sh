#!/usr/bin/env bash
# AESDD (Greek) on its own.  Needs --db-root DIR with the corpus at DIR/aesdd.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe aesdd "$@"
