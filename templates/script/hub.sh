# Hugging Face's bridge serves no file beyond a limit, and refuses some below it. Their own program
# fetches those in its own way: into a folder of ours beside the file, which is hashed as any other.
by_hub_program() {
  local path kind='' repo commit file hub said short=''
  path="${URL#"${SERVER%/}"}"
  case "$path" in
  /datasets/*) kind=dataset path="${path#/datasets}" ;;
  /spaces/*) kind=space path="${path#/spaces}" ;;
  esac
  repo="${path%%/resolve/*}"
  path="${path#*/resolve/}"
  commit="${path%%/*}"
  printf -v commit '%b' "${commit//%/\\x}"
  path="${path#*/}"
  printf -v file '%b' "${path//%/\\x}"
  command -v hf >/dev/null 2>&1 ||
    fail 1 "Hugging Face serves $NAME to its own program alone ($1)" "install it (pip install huggingface_hub), so that hf can be called, and run again" tool
  KEEPING=''
  rm -f -- "$PART" "$HAVE"
  WHOLE=1 LOW=0
  need_space
  note "Fetching it with hf: $1"
  set -- hf download --revision "$commit" --local-dir "$WORK/hub" ${kind:+--repo-type "$kind"} -- "${repo#/}" "$file"
  (
    export HF_ENDPOINT="${SERVER%/}" HF_XET_CACHE="$PWD/${WORK#./}/hub/xet" HF_HUB_DISABLE_PROGRESS_BARS=1
    export HF_HUB_DISABLE_TELEMETRY=1 HF_HUB_DISABLE_UPDATE_CHECK=1 NO_COLOR=1
    [ -z "$TOKEN" ] || export HF_TOKEN="$TOKEN"
    noted "$WORK/hub.pid" "$@"
  ) >"$WORK/hub.errors" 2>&1 </dev/null 3>&- 7>&- 8>&- &
  hub=$!
  WORKER="$hub"
  # It takes no room in advance, so others may take what it counts on.
  while lives "$hub"; do
    { sleep 0.2 2>/dev/null || sleep 1; } 3>&- 7>&- 8>&- &
    wait $!
    free_space
    [ -z "$FREE" ] || [ $((FREE * 1024)) -ge "$RESERVE" ] || short=1
    [ -z "$short" ] || end_hub_program "$hub"
  done
  wait "$hub" || commit=''
  WORKER=''
  [ -z "$short" ] || no_space "$FREE" "$NEEDED"
  file="$WORK/hub/$file"
  if [ -z "$commit" ] || [ ! -f "$file" ] || [ -L "$file" ]; then
    ! grep -q 'No space' "$WORK/hub.errors" || no_space "$FREE" "$NEEDED"
    # Hints may follow what is wrong.
    said="$(grep Error "$WORK/hub.errors" | tail -n 1 | head -c 300)"
    fail 15 "hf could not fetch $NAME: ${said:-it brought nothing}" "run again; if it stays so, see what hf says by hand"
  fi
  mv -f -- "$file" "$PART" || cant_write ''
  rm -rf -- "$WORK/hub"
  hash_of "$PART"
  is_right "$PART" "$HASH" || wrong_bytes "What hf brought"
  name_it
}

end_hub_program() {
  local child=''
  [ ! -s "$WORK/hub.pid" ] || read -r child <"$WORK/hub.pid"
  kill ${child:+"$child"} "$1" 2>/dev/null
}

# An answer of the bridge itself, not of the Hub: all else goes on as ever.
bridge_refuses() {
  local slot
  [ "$ENDPOINT" = huggingface ] && [ -n "$SHA256" ] && [ "$1" != "$URL" ] || return 0
  [ "$BUSY" = 0 ] || for slot in "${!FROM[@]}"; do end_connection "$slot"; done
  [ -z "$HASHER" ] || printf 'quit\n' >&8
  HASHER=''
  by_hub_program "its storage answers 400"
}
