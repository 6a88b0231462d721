hash_input() {
  if command -v openssl >/dev/null 2>&1; then
    openssl dgst -sha256 -r
  elif command -v sha256sum >/dev/null 2>&1; then
    sha256sum
  else
    shasum -a 256
  fi
}

# Sets HASH, empty if there is no way to compute one.
hash_of() {
  HASH=''
  read -r HASH _ < <(hash_input <"$1" 2>/dev/null)
  is_hash
}

is_hash() {
  case "$HASH" in *[!0-9a-f]*) HASH='' ;; esac
  [ "${#HASH}" = 64 ] || HASH=''
}

# A large file is hashed while it arrives: behind the lowest gap, from what has been written, so
# that it is the file that is hashed and not the line.
begin_hash() {
  [ -z "$HASHER" ] || printf 'quit\n' >&8
  rm -f -- "$WORK/marks" "$WORK/hash"
  HASHER=''
  mkfifo -- "$WORK/marks" || return
  exec 8<>"$WORK/marks"
  (feed | hash_input >"$WORK/hash" 2>/dev/null) 3>&- 7>&- &
  HASHER=$!
  MARK=0
}

# Prints the part up to each mark that it reads.
feed() {
  local mark at=0 blocks
  while :; do
    if ! read -r -t 5 mark <&8; then
      kill -0 "$$" 2>/dev/null || return
      continue
    fi
    case "$mark" in quit) return ;; end) break ;; esac
    while [ $((mark / MIB - at)) -gt 0 ]; do
      kill -0 "$$" 2>/dev/null || return
      blocks=$((mark / MIB - at))
      [ "$blocks" -le 256 ] || blocks=256
      dd if="$PART" bs="$MIB" skip="$at" count="$blocks" 2>/dev/null || return
      at=$((at + blocks))
    done
  done
  dd if="$PART" bs="$MIB" skip="$at" 2>/dev/null
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

# A file of the right size and hash. Without a published hash, size and form have to do. The hash
# is told where it has been computed already.
is_right() {
  local file="$1"
  if [ -z "${2:-}" ] && [ -n "$SIZE" ] && [ "$(size_of "$file")" != "$SIZE" ]; then return 1; fi
  if [ -n "$SHA256" ]; then
    HASH="${2:-}"
    [ -n "$HASH" ] || hash_of "$file"
    # No hash is no verdict: neither right nor wrong, so nothing may be moved or removed.
    [ -n "$HASH" ] || fail 1 "Can't compute the sha256 of $file. Next: check that it can be read and that openssl, sha256sum or shasum is installed."
    [ "$HASH" = "$SHA256" ]
    return
  fi
  [ -s "$file" ] || return 1
  case "$(head -c 64 <"$file" | tr -d '\0')" in
  '<'* | '{"error'* | 'version https://git-lfs'*) return 1 ;;
  esac
}
