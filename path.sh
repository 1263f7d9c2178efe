# shellcheck shell=bash
# The environment that every script here runs in; to be sourced: . ./path.sh
# Nothing but exported variables changes. XSER_PYTHON is the Python to use: utils/install.sh says which.

XSER_ROOT=$(CDPATH='' cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
XSER_PYTHON=${XSER_PYTHON:-$("$XSER_ROOT/utils/install.sh" --which)}
[ -n "$XSER_PYTHON" ] || return 1
export XSER_ROOT XSER_PYTHON

if [ "$(command -v python3)" != "$XSER_PYTHON" ]; then
  PATH=${XSER_PYTHON%/*}:$PATH
  unset PYTHONHOME
fi
if [ -f "${XSER_PYTHON%/bin/*}/pyvenv.cfg" ]; then export VIRTUAL_ENV=${XSER_PYTHON%/bin/*}; fi
[[ :$PATH: == *:"$XSER_ROOT/utils":* ]] || PATH=$XSER_ROOT/utils:$PATH
[[ :${PYTHONPATH:-}: == :"$XSER_ROOT":* ]] || PYTHONPATH=$XSER_ROOT${PYTHONPATH:+:$PYTHONPATH}
export PATH PYTHONPATH

# Kaldi's tables are sorted by bytes; Python still reads and writes UTF-8.
export LC_ALL=C PYTHONUTF8=1
