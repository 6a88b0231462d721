# A directory, or the files of a set: each is fetched as any other, by this engine in a shell of its
# own. What lies there with other content is somebody's: then nothing at all is fetched.
directory() {
  local round
  trap : INT TERM HUP # who is at work ends in order, and tells
  NOTE="${DEST%/*}/.$NAME.$ME.work"
  trap 'rmdir -- "$NOTE" 2>/dev/null' EXIT
  for round in 1 2 3; do
    choose_folder
    EVERY='|' DOING=list
    files
    only_ours
    RIGHT='|' MISSING=0 DOING=look
    files
    [ "$MISSING" = 0 ] || room_for_all
    DOING=fetch
    files
    [ "$INTO" != "$DEST" ] || break
    only_ours
    if put_whole; then break; fi # else another has made it a moment ago: it is looked at in turn
    [ "$round" != 3 ] || fail 1 "$DEST is being changed" "run again later" store
  done
  [ -z "$NEW" ] || [ -L "${DEST%/*}/$NEW" ] || rm -rf -- "${DEST%/*}/${NEW:?}"
  cleared
  say "Done: $DEST"
  exit 0
}

# Sets INTO to where the files go, and INSIDE to that folder with all links followed, if it is told.
choose_folder() {
  INTO="$DEST" INSIDE="${COMFYFIX_FOLDER:-}"
  [ ! -L "$DEST" ] || [ -e "$DEST" ] ||
    fail 1 "$DEST leads to $(readlink "$DEST"), which is not there" "mount the disk, or remove the link" store
  [ ! -e "$DEST" ] || [ -d "$DEST" ] || fail 1 "$DEST is not a folder" "move it away" conflict
  if [ -n "$NEW" ] && [ ! -e "$DEST" ]; then
    INTO="${DEST%/*}/$NEW"
    [ -z "$INSIDE" ] || INSIDE="${INSIDE%/*}/$NEW"
    [ ! -L "$INTO" ] || fail 1 "$INTO is a link" "check who has made it" store
  fi
  mark_work
}

# Says to whoever wants to clean up that somebody is at work here, also between two files.
mark_work() { [ -z "$NEW" ] || [ ! -d "${DEST%/*}" ] || [ -d "$NOTE" ] || mkdir -- "$NOTE" 2>/dev/null; }

# What is told of each file: bytes, hash, name, and where it is from.
# shellcheck disable=SC2317
file() {
  local path="$3" code
  if [ "$DOING" = list ]; then
    EVERY="$EVERY$path|"
    return
  fi
  case "$RIGHT" in *"|$path|"*) return ;; esac
  if [ "$DOING" = fetch ]; then
    # Another may have given the folder its name in the meantime: what is there is not fetched again.
    [ "$INTO" = "$DEST" ] || [ ! -e "$DEST" ] || return 0
    (one "$@") || { # what was at work there may have been given its name by another
      code=$?
      case "$code" in 130 | 143) exit "$code" ;; esac
      [ "$INTO" != "$DEST" ] && [ -e "$DEST" ] || exit "$code"
    }
    mark_work
    return 0
  fi
  local DEST="$DEST" SIZE SHA256 URL
  facts_of "$@"
  if [ ! -e "$DEST" ] && [ ! -L "$DEST" ]; then
    MISSING=$((MISSING + SIZE))
  elif [ "$INTO" != "$FOLDER" ] && { [ -L "$DEST" ] || { [ -f "$DEST" ] && ! is_right "$DEST"; }; }; then
    rm -f -- "$DEST" # of ours, cut short by a crash
    MISSING=$((MISSING + SIZE))
  elif [ -f "$DEST" ] && is_right "$DEST"; then
    RIGHT="$RIGHT$path|"
    cleared
  else
    fail 1 "$DEST is there and is not the file of ${SOURCE#*: }" "move it away, then run again" conflict
  fi
}

# What another has put where the files are gathered does not come along; what is being fetched stays.
only_ours() {
  local each
  [ "$INTO" != "$DEST" ] || return 0
  while IFS= read -r -d '' each; do
    each="${each#"$INTO/"}"
    case "${each##*/}" in *.part | *.have | .*.lock | .*.lock.*) continue ;; esac
    case "$EVERY" in *"|$each|"*) ;; *) rm -f -- "$INTO/$each" ;; esac
  done < <(find "$INTO" -type d -name '.*.work' -prune -o ! -type d -print0 2>/dev/null)
}

# Removes what a run that was killed has left beside DEST.
cleared() { (cd -- "${DEST%/*}" && NAME="${DEST##*/}" LOCK="./.${DEST##*/}.lock" clear_up own); }

# shellcheck disable=SC2317
# Sets the facts of one file; FOLDER keeps that of all.
facts_of() {
  FOLDER="$DEST" SIZE="$1" SHA256="$2" DEST="$INTO/$3" URL="${SERVER%/}$4"
}

# shellcheck disable=SC2317
one() {
  trap - INT TERM HUP
  facts_of "$@"
  unset -f files
  case "$3" in */*) INSIDE="${INSIDE:+$INSIDE/${3%/*}}" ;; esac
  COMFYFIX_FOLDER="$INSIDE" COMFYFIX_ASK="$ASKING" COMFYFIX_MIRROR="$MIRRORS_GIVEN"
  [ -z "$TOKEN_IN" ] || printf -v "$TOKEN_IN" %s "$TOKEN_GIVEN"
  engine
}

room_for_all() {
  local above="${DEST%/*}"
  until [ -d "$above" ] || [ -z "$above" ]; do above="${above%/*}"; done
  FREE="$(cd -- "${above:-/}" && free_space && printf '%s' "$FREE")"
  [ -n "$FREE" ] || return 0
  [ $((FREE * 1024)) -ge $((MISSING + RESERVE)) ] || no_space "$FREE" "$MISSING"
}

# Gives the folder its name, if nothing has that name: fails where something has.
put_whole() {
  [ ! -e "$DEST" ] && [ ! -L "$DEST" ] || return
  [ -d "$INTO" ] || fail 1 "$INTO has vanished" "run again" store
  mv -n -T -- "$INTO" "$DEST" 2>/dev/null || [ ! -d "$INTO" ] || mv -n -- "$INTO" "$DEST" 2>/dev/null
  if [ -d "$DEST/$NEW" ]; then # a folder has come to be there at this very moment, and took it in
    mv -- "$DEST/$NEW" "$INTO"
    return 1
  fi
  [ -d "$DEST" ] && [ ! -e "$INTO" ] || return
  sync -- "${DEST%/*}" 2>/dev/null || sync
}
