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
  mv -- "$FILE" "$ASIDE" || fail 1 "Can't move the wrong file $DEST aside" "check its permissions" store
  note "Moved a wrong file aside: $DIR/${ASIDE##*/}"
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

look_inside() {
  local code
  look "$PART"
  code=$?
  case "$code" in
  0) return 0 ;;
  4) ;;
  5) wrong_content "What arrived is not $NAME: $REASON" ;;
  *) fail 1 "Can't look into $DIR/${PART#./}" "run \`doit\` again; if it stays so, report it" ;;
  esac
  name_aside unsafe
  mv -- "$PART" "$ASIDE" || fail 1 "Can't move the unsafe file $DIR/${PART#./} aside" "check its permissions" store
  rm -f -- "$HAVE"
  unsafe "$DIR/${ASIDE##*/}"
}

unsafe() {
  fail 14 "$NAME is unsafe: $REASON. It lies at $1" "use a .safetensors file in its place, or set verify.pickle: allow if you trust it" unsafe
}

# Fetched once and put aside: another 20 GB would be the same.
known_unsafe() {
  local code
  [ -n "$SHA256" ] && [ -f "$DEST.unsafe" ] && is_right "$DEST.unsafe" || return 0
  look "$DEST.unsafe"
  code=$?
  [ "$code" != 4 ] || unsafe "$DEST.unsafe"
}

# Bytes have come, and they are others: in what they differ.
wrong_bytes() {
  local now
  now="$(size_of "$PART")"
  if [ -n "$SHA256" ] && [ -n "$HASH" ] && [ "$HASH" != "$SHA256" ]; then
    wrong_content "$1 is not $NAME: its hash is $HASH, wanted is $SHA256"
  elif [ -n "$SIZE" ] && [ "$now" != "$SIZE" ]; then
    wrong_content "$1 is not $NAME: it has ${now:-no} bytes, wanted are $SIZE"
  fi
  wrong_content "$1 is not $NAME: size or form differ"
}

wrong_content() {
  rm -f -- "$PART" "$HAVE"
  fail 14 "$1" "run \`doit\`, it searches again" "${2:-}"
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
  mv -f -- "$PART" "$FILE" || fail 1 "Can't rename $DIR/${PART#./}" "check the permissions of $DIR" store
  # A small one that loses its name with the machine's power has it again with the next run.
  [ -n "$TRIED" ] || sync -- . 2>/dev/null || sync
  [ ! -e "$HAVE" ] || rm -f -- "$HAVE"
  tell brought
  say "Done: $DEST"
}

# What is right gets its name, once it is on the disk and has been looked into.
name_it() {
  [ -n "$LOCAL" ] || sync -- "$PART" 2>/dev/null || sync
  look_inside
  if [ -z "$SHA256$LOCAL" ] && [ -n "$HASH" ]; then
    tell sha256 "$HASH"
    say "sha256: $HASH"
  fi
  put_in_place
  exit 0
}
