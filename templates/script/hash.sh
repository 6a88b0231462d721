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

# A file of the right size and hash. Without a published hash, size and form have to do. The hash
# is told where it has been computed already.
is_right() {
  local file="$1"
  if [ -z "${2:-}" ] && [ -n "$SIZE" ] && [ "$(size_of "$file")" != "$SIZE" ]; then return 1; fi
  if [ -n "$SHA256" ]; then
    HASH="${2:-}"
    [ -n "$HASH" ] || hash_of "$file"
    # No hash is no verdict: neither right nor wrong, so nothing may be moved or removed.
    [ -n "$HASH" ] || fail 1 "Can't compute the sha256 of $file" "check that it can be read and that openssl, sha256sum or shasum is installed"
    [ "$HASH" = "$SHA256" ]
    return
  fi
  [ -s "$file" ] || return 1
  case "$(head -c 64 <"$file" | tr -d '\0')" in
  '<'* | '{"error'* | 'version https://git-lfs'*) return 1 ;;
  esac
}
