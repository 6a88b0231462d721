# The fastest at hand: openssl by far, but for a small file sha256sum has begun sooner. It takes the
# place of the shell that calls it.
hash_input() {
  if [ -n "$SIZE" ] && [ "$SIZE" -lt "$MIB" ] && command -v sha256sum >/dev/null 2>&1; then
    exec sha256sum
  elif command -v openssl >/dev/null 2>&1; then
    exec openssl dgst -sha256 -r
  elif command -v sha256sum >/dev/null 2>&1; then
    exec sha256sum
  else
    exec shasum -a 256
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
  read -r HASH _ < <(hash_input <"$1" 2>/dev/null)
  is_hash
}

is_hash() {
  case "$HASH" in *[!0-9a-f]*) HASH='' ;; esac
  [ "${#HASH}" = 64 ] || HASH=''
}
