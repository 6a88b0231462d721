# Sets OWNER to whom this part, list of ranges or folder of notes belongs. Fails for a name that is not
# to the letter one of ours for NAME: it may be another model's, or the user's own.
is_ours() {
  local kind
  case "$1" in
  "./.$NAME".*.work)
    [ -d "$1" ] && [ ! -L "$1" ] || return
    OWNER="${1#"./.$NAME."}"
    ;;
  "./$NAME".*.part | "./$NAME".*.have)
    [ -f "$1" ] && [ ! -L "$1" ] || return
    OWNER="${1#"./$NAME."}"
    kind="${OWNER%%.*}"
    case "$kind" in nohash) ;; *[!0-9a-f]*) return 1 ;; *) [ "${#kind}" = 8 ] || return ;; esac
    OWNER="${OWNER#*.}"
    ;;
  *) return 1 ;;
  esac
  OWNER="${OWNER%.*}"
  is_owner "$OWNER"
}

# Letters and digits, a dot, digits.
is_owner() {
  case "${1%.*}" in '' | *[!A-Za-z0-9]*) return 1 ;; esac
  [ "${1%.*}" != "$1" ] && is_number "${1##*.}"
}

# The script of a dead run may be gone and its curl live on: end it, if it really is the one.
end_workers() {
  local note worker
  for note in "./.$NAME.$1.work"/*.pid; do
    worker="$(read_note "$note")"
    case "$(ps -o args= -p "${worker:-0}" 2>/dev/null)" in
    *"./.$NAME.$1.work/"* | *" ./$NAME."*".$1.part"*) kill -9 "$worker" ;;
    esac
  done
}

# What is tried at once leaves no note of its process.
end_first_try() {
  local worker words
  while read -r worker words; do
    case "$words" in *" ./$NAME."*".$1.part "*) kill -9 "$worker" ;; esac
  done < <(ps -A -ww -o pid= -o args= 2>/dev/null)
}

# Removes what dead runs have left: `own` that of this machine; `adopt`, under the lock, takes over the
# largest part first, and counts what other machines have left as dead too: the lock is not theirs.
clear_up() {
  local mode="$1" old
  for old in "./$NAME".*.part "./$NAME".*.have "./.$NAME".*.work; do
    is_ours "$old" || continue
    if ! is_here "$OWNER"; then
      [ "$mode" = adopt ] || continue
      case "$old" in *.work) [ -n "$LOCKED" ] || continue ;; esac
    else
      dead "$OWNER" || continue
      end_workers "$OWNER"
      end_first_try "$OWNER"
    fi
    clear_of "$OWNER" "$mode"
  done
  for old in "$LOCK.$WHERE"*; do # of one that died while it broke a lock
    OWNER="${old#"$LOCK."}"
    if [ -L "$old" ] && is_owner "$OWNER" && dead "$OWNER"; then rm -f -- "$old"; fi
  done
  if [ -z "$LOCKED" ] && [ -L "$LOCK" ]; then
    old="$(readlink "$LOCK" 2>/dev/null)"
    ! dead "$old" || break_lock "$old"
  fi
}

# All of one owner. Its worker may have begun the part a moment ago, so now is the time to look.
clear_of() {
  local owner="$1" each
  for each in "./$NAME".*".$owner.part" "./$NAME".*".$owner.have"; do
    is_ours "$each" || continue
    case "$2,$each" in adopt,*.part) adopt "$each" ;; esac
    rm -f -- "$each"
  done
  ! is_ours "./.$NAME.$owner.work" || drop_notes "./.$NAME.$owner.work"
}

# A folder of notes, if all in it is what a script puts there.
drop_notes() {
  local each
  for each in "$1"/* "$1"/.[!.]*; do
    case "${each##*/}" in
    '*' | '.[!.]*') ;;
    hub) [ -d "$each" ] && [ ! -L "$each" ] || return ;; # what hf was at work on
    beat | events | hash | have | marks | room | stopping | who | *.pid | *.headers | *.errors) [ ! -d "$each" ] || return ;;
    *) return ;;
    esac
  done
  rm -rf -- "$1"
}
