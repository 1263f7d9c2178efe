#!/usr/bin/env bash
# Study A's question on one desk: encoders pre-trained from scratch on one language each, the whole mono/cross/trans
# matrix, every strategy of tuning.  Needs --db-root DIR with the corpora at DIR/{emodb,ravdess,nemo}.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe small "$@"
