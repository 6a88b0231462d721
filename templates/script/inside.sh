# Where we are only the kernel knows: bash's own pwd walks the path once more, and somebody may be
# changing it. So another program is asked.
enter_folder() {
  local inside="${COMFYFIX_FOLDER:-}"
  [ -d "$DIR" ] || mkdir -p -- "$DIR" 2>/dev/null
  cd -- "$DIR" 2>/dev/null || fail 1 "Can't make the folder $DIR" "check its permissions" store
  [ -z "$inside" ] || [ "$(exec pwd -P)" = "$inside" ] || fail 1 "$DIR has become a link to elsewhere" "check who has changed it"
  FILE="./$NAME"
}

# Sets FREE to the kilobytes that are free, empty where nobody can tell.
free_space() {
  FREE=''
  { read -r _ && read -r _ _ _ FREE _; } < <(exec df -Pk -- . 2>/dev/null)
  is_number "$FREE" || FREE=''
}

# Size and hash show that it is the file meant, not that it is harmless. Where comfyfix has started
# this script, its own look at the form decides; by hand, `doit verify` looks afterwards.
look() {
  local code
  [ -n "$ASKING" ] || return 0
  ask look "$DIR/${1##*/}"
  code="${REPLY%% *}"
  REASON="${REPLY#* }"
  case "$code" in [0-9]) return "$code" ;; *) return 1 ;; esac
}
