# Removes what dead runs have left beside models that are there: `bash -c … NAME FOLDER FILE…`, the
# folder with all links followed. What belongs to the living stays.
LOCKED=''
cd -- "$1" && [ "$(exec pwd -P)" = "$1" ] || exit 1
shift
for NAME in "$@"; do
  LOCK="./.$NAME.lock"
  clear_up own
done
