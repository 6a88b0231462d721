# From the facts of the script that has called: what all the rest goes by.
case "$DEST" in /*) ;; *) DEST="$PWD/$DEST" ;; esac # by hand it may be written so
NEEDED="${SIZE:-${ROUNDED:-}}"
REST="${URL#*://}"
ORIGIN="${URL%%"$REST"}${REST%%[/?#]*}"
LOCK_WAIT="${COMFYFIX_LOCK_WAIT:-21600}"  # seconds
LOCK_STILL="${COMFYFIX_LOCK_STILL:-60}"   # seconds without a sign of life; a holder gives six in this time
BRIDGE="${COMFYFIX_BRIDGE:-50000000000}"  # bytes of the largest file that Hugging Face's bridge serves
PAUSE="${COMFYFIX_PAUSE:-1}"              # seconds before the second try; doubles each time
ASKING="${COMFYFIX_ASK:-}"                # set where comfyfix reads along and answers
NEAR="${COMFYFIX_NEAR:-}"                 # set where it knows of a file that may have the bytes
MIRRORS_GIVEN="${COMFYFIX_MIRROR:-}"      # folders and addresses that have files by their sha256
TOKEN_GIVEN='' NAMES="$TOKEN_IN"
case "$TOKEN_IN" in # other names in use count too, the first that is set
HF_TOKEN) NAMES='HF_TOKEN HUGGING_FACE_HUB_TOKEN HF_API_TOKEN' ;;
CIVITAI_TOKEN) NAMES='CIVITAI_TOKEN CIVITAI_API_TOKEN CIVITAI_API_KEY' ;;
esac
for NAME in $NAMES; do
  TOKEN_GIVEN="${!NAME:-}"
  TOKEN_GIVEN="${TOKEN_GIVEN#"${TOKEN_GIVEN%%[![:space:]]*}"}" # a file may have put a line end there
  TOKEN_GIVEN="${TOKEN_GIVEN%"${TOKEN_GIVEN##*[![:space:]]}"}"
  if [ -n "$TOKEN_GIVEN" ]; then
    TOKEN_IN="$NAME"
    break
  fi
done
# The programs called here need none of them.
unset COMFYFIX_ASK COMFYFIX_NEAR COMFYFIX_MIRROR COMFYFIX_STORE_KEY HF_TOKEN HUGGING_FACE_HUB_TOKEN HF_API_TOKEN CIVITAI_TOKEN CIVITAI_API_TOKEN CIVITAI_API_KEY QWEN_API_KEY
OFFLINE=''
for NAME in COMFYFIX_OFFLINE HF_HUB_OFFLINE; do
  case "${!NAME:-}" in 1 | [Oo][Nn] | [Yy][Ee][Ss] | [Tt][Rr][Uu][Ee]) OFFLINE="$NAME" ;; esac
done
MIB=1048576
BLOCK=131072 # an eighth; larger ones go through a pipe more slowly
LARGE=$((64 * MIB)) # from here on it may be worth more than one connection
PROBE=$((4 * MIB))  # what a connection fetches while speeds are compared
FAST=200000         # kB/s; no server limits a connection to as much as this

DIR="${DEST%/*}"
NAME="${DEST##*/}"
FILE="$DEST"
