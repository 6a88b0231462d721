# Without a hash only the server's own mark of the object tells that a part belongs to it.
adopt() {
  local old="$1" have="${1%.part}.have"
  [ -f "$old" ] && [ ! -L "$old" ] && [ "$(size_of "$old")" -gt "$(size_of "$PART")" ] || return 0
  if [ -z "$SHA256" ]; then
    case "$(read_note "$have")" in 'etag '?*) ;; *) return 0 ;; esac
  fi
  rm -f -- "$HAVE"
  case "$old" in
  "./$NAME.$KIND.$WHERE".*)
    [ ! -f "$have" ] || [ -L "$have" ] || mv -f -- "$have" "$HAVE"
    mv -f -- "$old" "$PART"
    ;;
  # A writer on another machine may wake up: what it writes then must not be our file.
  "./$NAME.$KIND".*)
    [ ! -f "$have" ] || [ -L "$have" ] || cp -- "$have" "$HAVE"
    work cp -- "$old" "$PART"
    ;;
  esac
}
