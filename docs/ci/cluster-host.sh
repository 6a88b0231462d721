#!/bin/bash
# bash cluster-host.sh, in the folder of manifest.yaml, which says `cluster: tcp://127.0.0.1:8786`.
# Four workers on this machine, three downloads each, as long as comfyfix runs. Every user of the machine
# could run programs in your name there: take it where you are alone, else certificates, as cluster-ssh.sh.
set -euo pipefail
set -a
. "$HOME/.config/comfyfix/secrets" # COMFYFIX_STORE_KEY=…, and tokens; mode 0600
set +a
trap 'kill $(jobs -p)' EXIT
dask scheduler --host tcp://127.0.0.1 --port 8786 --no-dashboard &
for number in 1 2 3 4; do
  dask worker tcp://127.0.0.1:8786 --name "$number" --nthreads 3 --resources downloads=3 --no-dashboard &
done
CI=true comfyfix --locked
