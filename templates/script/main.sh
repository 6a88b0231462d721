link() {
  [ -f "$LOCAL" ] || fail 12 "$LOCAL is not there any more" "run \`doit\`, it searches again"
  rm -f -- "$PART"
  [ -n "${COPIED:-}" ] || ! ln -L -- "$LOCAL" "$PART" 2>/dev/null || return 0
  need_space
  # Into a file made here, so that its permissions are those of this folder; a clone where the
  # filesystem can.
  : >"$PART"
  work cp -- "$LOCAL" "$PART" || fail 13 "Can't copy to $DIR" "make room and run again"
}

stay_offline() {
  fail 15 "Offline: $NAME is not fetched, since $OFFLINE is set" "unset it and run again" offline
}

# Comfyfix may know where the bytes lie on this machine already. It reads that file only, and brings
# them into the part: as a clone or a link, which take no room, or else as a copy. It tells the hash
# of what it has brought; where that is another, all comes from the network.
from_near() {
  local how
  [ -n "$NEAR" ] && [ -n "$ASKING" ] && [ -n "$SHA256" ] || return 1
  for how in clone copy; do
    [ "$how" = clone ] || need_space
    ask near "$DIR/${PART#./}" "$how"
    case "$REPLY" in
    "0 $SHA256") HASH="$SHA256" && return ;;
    2) ;;
    *) break ;;
    esac
  done
  rm -f -- "$PART"
  return 1
}

# A disk may have room and yet none for the name of another file.
cant_write() {
  case "$1" in
  *'No space'* | *quota*) fail 13 "$DIR has no room for another file" "remove some, or make room" ;;
  *) fail 1 "Can't write in $DIR${1:+ (${1##*: })}" "check its permissions" store ;;
  esac
}

begin_work() {
  local said
  # Of a process that had our number long ago.
  if [ -z "$TRIED" ] && { [ -e "$WORK" ] || [ -e "$PART" ] || [ -L "$PART" ] || [ -e "$HAVE" ]; }; then
    [ ! -d "$WORK" ] || drop_notes "$WORK"
    rm -f -- "$PART" "$HAVE"
  fi
  said="$(mkdir -- "$WORK" 2>&1)" || cant_write "$said"
  printf '%s\n' "${USER:-someone} on ${HOSTNAME:-another machine} process $$" >"$WORK/who"
  if [ -z "$LOCAL" ] && is_number "$NEEDED" && [ "$NEEDED" -ge "$LARGE" ] && mkfifo -- "$WORK/events"; then
    EVENTS="$WORK/events"
    exec 7<>"$EVENTS"
  fi
  beat >/dev/null 2>&1 3>&- &
  BEAT=$!
}

# Fetches what is missing of the part, and says whether it is right then.
complete() {
  HASH=''
  [ -z "$EVENTS" ] || begin_hash
  transfer
  if [ -n "$HASHER" ]; then
    end_hash
  elif [ -n "$SHA256" ]; then
    hash_of "$PART"
  fi
  is_right "$PART" "$HASH"
}

main() {
  if declare -F files >/dev/null; then directory; fi
  [ ! -e "$DEST" ] || [ -f "$DEST" ] || fail 1 "$DEST is not a file" "move it away"
  [ -e "$DEST" ] || [ ! -L "$DEST" ] ||
    fail 1 "$DEST leads to $(readlink "$DEST"), which is not there" "mount the disk, or remove the link" store
  if already_there; then
    cd -- "$DIR" && clear_up own
    exit 0
  fi
  known_unsafe
  [ -z "$OFFLINE" ] || [ -n "$LOCAL$NEAR$MIRRORS" ] || stay_offline
  [ -n "$LOCAL" ] || command -v curl >/dev/null 2>&1 || fail 1 "curl is not installed" "install it" tool
  enter_folder
  catch_signals
  take_lock
  # Another process may have brought it while we waited.
  if already_there; then
    clear_up own
    exit 0
  fi
  begin_work
  if from_near; then
    clear_up own
    name_it
  fi
  clear_up adopt
  if [ -n "$LOCAL" ]; then
    link
    is_right "$PART" || wrong_content "$LOCAL is not the file that is wanted"
  elif ! from_mirror; then
    [ -n "$URL" ] || fail 12 "No mirror has $NAME, and nobody else is known to have it" "put it into one with \`doit mirror\`, where the file is"
    [ -z "$OFFLINE" ] || stay_offline
    if [ -n "$TRIED" ]; then weigh_first_try; else read_token; fi
    if [ "$ENDPOINT" = huggingface ] && [ -n "$SHA256" ] && is_number "$SIZE" && [ "$SIZE" -gt "$BRIDGE" ]; then
      by_hub_program "it is larger than $((BRIDGE / 1000000000)) GB"
    fi
    fetch_whole
  fi
  name_it
}

# The whole file into the part, whatever of it was there before.
fetch_whole() {
  local begun
  begin_ranges
  need_space
  begun="$LOW"
  if ! complete; then
    # A part from an earlier run may have been of another file; a fresh one has no excuse.
    [ "$begun" != 0 ] || wrong_bytes "What arrived"
    start_over
    complete || wrong_bytes "What arrived"
  fi
}

main
