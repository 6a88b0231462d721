# Sets ASIDE to a name beside the file that nothing has yet.
name_aside() {
  local count=0
  ASIDE="$FILE.$1"
  while [ -e "$ASIDE" ] || [ -L "$ASIDE" ]; do
    count=$((count + 1))
    ASIDE="$FILE.$1.$count"
  done
}

move_aside() {
  name_aside damaged
  mv -- "$FILE" "$ASIDE" || fail 1 "Can't move the wrong file $DEST aside. Next: check its permissions."
  say "Moved a wrong file aside: $DIR/${ASIDE##*/}"
}

# Room for a file is taken before its first byte comes, so that no other download counts on it too.
# Where that can't be done, the look at what is free has to do.
need_space() {
  local free needed="$NEEDED" taken=''
  [ -n "$NEEDED" ] || return 0
  if [ "$NEEDED" -ge "$MIB" ] && [ -z "$LOCAL" ]; then
    : >>"$PART"
    taken="$(fallocate --keep-size --length "$NEEDED" -- "$PART" 2>&1)" && needed=0
  fi
  free="$(free_space)"
  is_number "$free" || return 0
  case "$taken" in *'No space'*) no_space "$free" "$NEEDED" ;; esac
  if [ "$needed" != 0 ] && [ -f "$PART" ]; then
    needed=$((needed - $(du -k -- "$PART" | cut -f 1) * 1024))
  fi
  if [ $((free * 1024)) -lt $((needed + RESERVE)) ]; then no_space "$free" "$NEEDED"; fi
}

free_space() {
  local free=''
  { read -r _ && read -r _ _ _ free _; } < <(df -Pk -- . 2>/dev/null)
  printf '%s' "$free"
}

no_space() {
  [ "$LOW" -gt 0 ] || rm -f -- "$PART"
  fail 13 "Not enough space in $DIR for $NAME: $(($1 / 1024)) MB free, $(($2 / 1048576)) MB needed and $((RESERVE / 1048576)) MB kept in reserve. Next: make room, or set download.reserve."
}

link() {
  [ -f "$LOCAL" ] || fail 12 "$LOCAL is not there any more. Next: run doit, it searches again."
  rm -f -- "$PART"
  ln -L -- "$LOCAL" "$PART" 2>/dev/null && return 0
  need_space
  # Into a file made here, so that its permissions are those of this folder; a clone where the
  # filesystem can.
  : >"$PART"
  work cp -- "$LOCAL" "$PART" || fail 13 "Can't copy to $DIR. Next: make room and run again."
}

already_there() {
  local now
  [ -e "$FILE" ] || [ -L "$FILE" ] || return 1
  now="$(ls -lind -- "$FILE" 2>/dev/null)"
  [ -n "$now" ] && [ "$now" != "$KNOWN_WRONG" ] || return 1 # hashing 30 GB once is enough
  if [ -f "$FILE" ] && is_right "$FILE"; then
    say "Already there: $DEST"
    return 0
  fi
  KNOWN_WRONG="$now"
  return 1
}

# Size and hash show that it is the file meant, not that it is harmless. Where comfyfix has started
# this script, its own look at the form decides; by hand, `doit verify` looks afterwards.
look() {
  local code
  [ -n "$ASKING" ] || return 0
  ask "Looking inside: $DIR/${1##*/}"
  code="${REPLY%% *}"
  REASON="${REPLY#* }"
  case "$code" in [0-9]) return "$code" ;; *) return 1 ;; esac
}

look_inside() {
  local code
  look "$PART"
  code=$?
  case "$code" in
  0) return 0 ;;
  4) ;;
  5) wrong_content "What arrived is not $NAME: $REASON" ;;
  *) fail 1 "Can't look into $PART. Next: run doit again; if it stays so, report it." ;;
  esac
  name_aside unsafe
  mv -- "$PART" "$ASIDE" || fail 1 "Can't move the unsafe file $PART aside. Next: check its permissions."
  rm -f -- "$HAVE"
  unsafe "$DIR/${ASIDE##*/}"
}

# Fetched once and put aside: another 20 GB would be the same.
known_unsafe() {
  local code
  [ -n "$SHA256" ] && [ -f "$DEST.unsafe" ] && is_right "$DEST.unsafe" || return 0
  look "$DEST.unsafe"
  code=$?
  [ "$code" != 4 ] || unsafe "$DEST.unsafe"
}

unsafe() {
  fail 14 "$NAME is unsafe: $REASON. It lies at $1. Next: use a .safetensors file in its place, or set verify.pickle: allow if you trust it."
}

wrong_content() {
  rm -f -- "$PART" "$HAVE"
  fail 14 "$1. Next: run doit, it searches again."
}

# Only now, with the right one in hand, a wrong file loses its place.
put_in_place() {
  if [ -e "$FILE" ] || [ -L "$FILE" ]; then
    if already_there; then
      rm -f -- "$PART" "$HAVE"
      exit 0
    fi
    move_aside
  fi
  mv -f -- "$PART" "$FILE" || fail 1 "Can't rename $PART. Next: check the permissions of $DIR."
  sync -- . 2>/dev/null || sync
  [ ! -e "$HAVE" ] || rm -f -- "$HAVE"
  say "Done: $DEST"
}
