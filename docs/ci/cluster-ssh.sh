#!/bin/bash
# bash cluster-ssh.sh HOST…, in the folder of manifest.yaml. Each host has `comfyfix[cluster]`, the store
# under the same path, and ~/.config/comfyfix/secrets with tokens of its own. manifest.yaml says:
#   cluster:
#     address: tls://${SCHEDULER}
#     ca: ~/.config/comfyfix/tls/ca.pem
#     cert: ~/.config/comfyfix/tls/us.pem
#     key: ~/.config/comfyfix/tls/us.key
set -euo pipefail
set -a
. "$HOME/.config/comfyfix/secrets" # COMFYFIX_STORE_KEY=…, and tokens; mode 0600
set +a
tls="$HOME/.config/comfyfix/tls"
if [ ! -e "$tls/us.pem" ]; then
  (
    umask 077
    mkdir -p "$tls" && cd "$tls"
    # An authority for this cluster and nothing else: whoever it vouches for runs programs there.
    new=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365)
    openssl req -x509 -subj /CN=cluster -keyout ca.key -out ca.pem "${new[@]}" \
      -addext keyUsage=critical,keyCertSign
    openssl req -x509 -subj /CN=us -keyout us.key -out us.pem -CA ca.pem -CAkey ca.key "${new[@]}" \
      -addext basicConstraints=critical,CA:FALSE # needs OpenSSL 3
  )
fi
SCHEDULER="$(hostname -f):8786"
export SCHEDULER
keys=(--tls-ca-file ca.pem --tls-cert us.pem --tls-key us.key)
trap 'kill $(jobs -p)' EXIT
(cd "$tls" && exec dask scheduler --protocol tls --port 8786 --no-dashboard "${keys[@]}") &
for host; do
  ssh -n "$host" 'umask 077 && mkdir -p ~/.config/comfyfix/tls'
  scp -q "$tls"/{ca.pem,us.pem,us.key} "$host:.config/comfyfix/tls/"
  ssh -n "$host" "set -a && . ~/.config/comfyfix/secrets && cd ~/.config/comfyfix/tls &&
    exec dask worker tls://$SCHEDULER ${keys[*]} --name $host --nthreads 3 --resources downloads=3 \
      --no-dashboard --death-timeout 60" &
done
CI=true comfyfix --locked
