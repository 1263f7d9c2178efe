# shellcheck shell=bash
# How jobs are run; to be sourced after path.sh. Jobs are called as in Kaldi:
#
#   ${train_cmd} JOB=1:$nj exp/x/log/train.JOB.log python3 -m local.probe.train --job JOB --nj $nj
#
# on what cmd_backend says (docs/clusters.md): run.py on this machine or over ssh, submit.py on Slurm or Grid Engine, as
# conf/slurm.conf or conf/queue.conf says in Kaldi's words. A site's own slurm.pl, queue.pl or ssh.pl does too, for instance
#   train_cmd="slurm.pl --config conf/slurm.conf --mem 16G --gpu 1"
# here or in the environment. feature_cmd runs the sharded jobs of the features stage, train_cmd those that train. The
# machines need the clone, its environment and the recipe's folder under the same paths.
# Kaldi's scripts hand words without blanks to a shell as they are, ours quote every word.

cmd_backend=${cmd_backend:-local}

case $cmd_backend in
  local) default_cmd=run.py ;; # this machine
  slurm | sge)
    default_cmd="submit.py $cmd_backend"
    # Each job asks for one of the --ngpu that all share, and uses what it is shown.
    [ "${ngpu:-0}" -eq 0 ] || default_cmd+=" --gpu 1 --max-jobs-run $ngpu"
    ;;
  ssh) default_cmd="run.py --machines .queue/machines" ;; # Kaldi's file: a machine's name a line
  *)
    echo "cmd.sh: error: cmd_backend '$cmd_backend' is not known; known: local, slurm, sge, ssh (or set train_cmd and feature_cmd)" >&2
    return 2
    ;;
esac

export train_cmd=${train_cmd:-$default_cmd}
export feature_cmd=${feature_cmd:-$default_cmd}
unset default_cmd
