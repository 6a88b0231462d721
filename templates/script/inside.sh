# Where we are only the kernel knows: bash's own pwd walks the path once more, and somebody may be
# changing it. So who reads along is asked, who can ask the kernel, or another program.
enter_folder() {
  local inside="${COMFYFIX_FOLDER:-}"
  [ -d "$DIR" ] || mkdir -p -- "$DIR" 2>/dev/null
  cd -- "$DIR" 2>/dev/null || fail 1 "Can't make the folder $DIR" "check its permissions" store
  [ -z "$inside" ] || is_inside "$inside" || fail 1 "$DIR has become a link to elsewhere" "check who has changed it"
  FILE="./$NAME"
}

is_inside() {
  REPLY=''
  [ -z "$ASKING" ] || [ -z "${BASHPID:-}" ] || ask where "$BASHPID"
  [ -n "$REPLY" ] || REPLY="$(exec pwd -P)"
  [ "$REPLY" = "$1" ]
}

# Sets FREE to the kilobytes that are free, empty where nobody can tell.
free_space() {
  FREE=''
  if [ -n "$ASKING" ] && [ "$FILE" = "./$NAME" ]; then # we are in its folder
    ask room
    FREE="$REPLY"
    ! is_number "$FREE" || return 0
  fi
  { read -r _ && read -r _ _ _ FREE _; } < <(exec df -Pk -- . 2>/dev/null)
  is_number "$FREE" || FREE=''
}

# Size and hash show that it is the file meant, not that it is harmless. Where comfyfix has started
# this script, its own look at the form decides; by hand, `doit verify` looks afterwards.
look() {
  [ -n "$ASKING" ] || return 0
  ask look "$DIR/${1##*/}"
  heed
}

# Sets REASON, and returns what comfyfix says of a file.
heed() {
  local code
  code="${REPLY%% *}"
  REASON="${REPLY#* }"
  case "$code" in [0-9]) return "$code" ;; *) return 1 ;; esac
}

# A small part that is on the disk, has the hash, and is what it should be. Three programs less where
# comfyfix reads along: it does all this with the file open.
is_settled() {
  if [ -n "$ASKING" ]; then
    ask settle "$DIR/${1##*/}"
    HASH="${REPLY%% *}"
    REPLY="${REPLY#* }"
    is_hash
    if [ -n "$HASH" ]; then
      [ "$HASH" = "$SHA256" ] && heed
      return
    fi
  fi
  sync -- "$1" 2>/dev/null & # while it is hashed
  WORKER=$!
  hash_of "$1"
  wait "$WORKER" || sync
  WORKER=''
  [ "$HASH" = "$SHA256" ] && look "$1"
}
