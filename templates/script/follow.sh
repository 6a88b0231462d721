# A large file is hashed while it arrives: behind the lowest gap, from what has been written, so
# that it is the file that is hashed and not the line.
begin_hash() {
  [ -z "$HASHER" ] || printf 'quit\n' >&8
  rm -f -- "$WORK/marks" "$WORK/hash"
  HASHER=''
  mkfifo -- "$WORK/marks" || return
  exec 8<>"$WORK/marks"
  choose_hash
  (feed | "${HASHES[@]}" >"$WORK/hash" 2>/dev/null) 3>&- 7>&- &
  HASHER=$!
  MARK=0
}

# Prints the part up to each mark that it reads.
feed() {
  local mark at=0 blocks
  while :; do
    if ! read -r -t 5 mark <&8; then
      lives "$$" || return
      continue
    fi
    case "$mark" in quit) return ;; end) break ;; esac
    while [ $((mark / MIB - at)) -gt 0 ]; do
      lives "$$" || return
      blocks=$((mark / MIB - at))
      [ "$blocks" -le 256 ] || blocks=256
      dd if="$PART" bs="$BLOCK" skip=$((at * 8)) count=$((blocks * 8)) 2>/dev/null || return
      at=$((at + blocks))
    done
  done
  dd if="$PART" bs="$BLOCK" skip=$((at * 8)) 2>/dev/null
}

mark_hash() {
  [ -n "$HASHER" ] && [ $(($1 - MARK)) -ge "$MIB" ] || return 0
  MARK="$1"
  printf '%s\n' "$MARK" >&8
}

# Sets HASH to that of the whole part.
end_hash() {
  printf 'end\n' >&8
  wait "$HASHER"
  HASHER='' HASH=''
  read -r HASH _ <"$WORK/hash"
  is_hash
}
