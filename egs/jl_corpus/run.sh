#!/usr/bin/env bash
# JL corpus (New Zealand English, four speakers) on its own.  Needs --db-root DIR with the corpus at DIR/jl_corpus.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe jl_corpus "$@"
