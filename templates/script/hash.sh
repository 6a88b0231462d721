# Sets HASHES to the fastest program at hand: openssl by far, but for a small file sha256sum has begun
# sooner.
choose_hash() {
  if [ -n "$SIZE" ] && [ "$SIZE" -lt "$MIB" ] && command -v sha256sum >/dev/null 2>&1; then
    HASHES=(sha256sum)
  elif command -v openssl >/dev/null 2>&1; then
    HASHES=(openssl dgst -sha256 -r)
  elif command -v sha256sum >/dev/null 2>&1; then
    HASHES=(sha256sum)
  else
    HASHES=(shasum -a 256)
  fi
}

# Git's own id of a content, which small files of a repository have in place of a sha256.
git_hash() {
  {
    printf 'blob %s\0' "$(size_of "$1")"
    cat -- "$1"
  } 2>/dev/null | if command -v sha1sum >/dev/null 2>&1; then
    sha1sum
  elif command -v openssl >/dev/null 2>&1; then
    openssl dgst -sha1 -r
  else
    shasum
  fi
}

# Sets HASH, empty if there is no way to compute one.
hash_of() {
  HASH=''
  case "$SHA256" in
  git:*)
    read -r HASH _ < <(git_hash "$1")
    case "$HASH" in *[!0-9a-f]*) HASH='' ;; esac
    if [ "${#HASH}" = 40 ]; then HASH="git:$HASH"; else HASH=''; fi
    return
    ;;
  esac
  choose_hash # here: the less a process does before it becomes another program, the less it costs
  read -r HASH _ < <(exec "${HASHES[@]}" <"$1" 2>/dev/null)
  is_hash
}

is_hash() {
  case "$HASH" in *[!0-9a-f]*) HASH='' ;; esac
  [ "${#HASH}" = 64 ] || HASH=''
}
