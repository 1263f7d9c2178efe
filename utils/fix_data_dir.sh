#!/usr/bin/env bash
# Sort a data directory's tables and keep what all of them have. --help says how; utils/data_dir_tools.py does the work.
set -euo pipefail
# shellcheck source=path.sh
. "$(dirname "$0")/../path.sh"
exec python3 -m utils.data_dir_tools fix "$@"
