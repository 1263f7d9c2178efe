#!/usr/bin/env bash
# Split a data directory into parts of about the same size. --help says how; utils/data_dir_tools.py does the work.
set -euo pipefail
# shellcheck source=path.sh
. "$(dirname "$0")/../path.sh"
exec python3 -m utils.data_dir_tools split "$@"
