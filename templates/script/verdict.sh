# A file of the right size and hash. Without a published hash, size and form have to do. The hash
# is told where it has been computed already.
is_right() {
  local file="$1"
  if [ -z "${2:-}" ] && [ -n "$SIZE" ] && [ "$(size_of "$file")" != "$SIZE" ]; then
    HASH='' # that of another file, if any
    return 1
  fi
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
