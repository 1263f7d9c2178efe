# shellcheck shell=bash
# How jobs are run; to be sourced after path.sh. Jobs are called as in Kaldi:
#
#   ${train_cmd} JOB=1:$nj exp/x/log/train.JOB.log python3 -m local.probe.train --job JOB --nj $nj
#
# so a site with a cluster can use its own slurm.pl, queue.pl or ssh.pl: give its call here, for instance
#   train_cmd="slurm.pl --config conf/slurm.conf --mem 16G --gpu 1"
# or set the variables in the environment. feature_cmd runs the sharded jobs of the features stage, train_cmd
# those that train. The machines need the clone, its environment and the recipe's folder under the same paths.
# Kaldi's scripts hand words without blanks to a shell as they are, utils/run.py quotes every word.

cmd_backend=${cmd_backend:-local}

case $cmd_backend in
  local) default_cmd=run.py ;; # this machine (utils/run.py)
  *)
    echo "cmd.sh: error: cmd_backend '$cmd_backend' is not known; known: local (or set train_cmd and feature_cmd)" >&2
    return 2
    ;;
esac

export train_cmd=${train_cmd:-$default_cmd}
export feature_cmd=${feature_cmd:-$default_cmd}
unset default_cmd
