# Without a hash only the server's own mark of the object tells that a part belongs to it. What has come
# from a mirror is continued by mirrors alone.
adopt() {
  local old="$1" have="${1%.part}.have" kind="$KIND" part="$PART" kept="$HAVE"
  case "$old" in
  "./$NAME.${MIRROR_KIND:--}".*)
    [ -n "$MIRRORS" ] || return 0
    kind="$MIRROR_KIND" part="$MIRROR_PART" kept="${MIRROR_PART%.part}.have"
    ;;
  esac
  [ -f "$old" ] && [ ! -L "$old" ] && [ "$(size_of "$old")" -gt "$(size_of "$part")" ] || return 0
  if [ -z "$SHA256" ]; then
    case "$(read_note "$have")" in 'etag '?*) ;; *) return 0 ;; esac
  fi
  rm -f -- "$kept"
  case "$old" in "./$NAME.$kind".*) ;; *) return 0 ;; esac
  if is_here "$OWNER"; then
    [ ! -f "$have" ] || [ -L "$have" ] || mv -f -- "$have" "$kept"
    mv -f -- "$old" "$part"
  else
    # A writer on another machine may wake up: what it writes then must not be our file.
    [ ! -f "$have" ] || [ -L "$have" ] || cp -- "$have" "$kept"
    work cp -- "$old" "$part"
  fi
}
