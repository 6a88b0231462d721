# Completion of @PROGRAM@ for bash 3.2 and newer; made by `@PROGRAM@ tabcompletion`.
_comfyfix_@PROGRAM@() {
  local line="${COMP_LINE:0:COMP_POINT}" command='' current='' words word before='' takes=''
  local -a typed=() where=()
  COMPREPLY=()
  # bash breaks words at colons, and names of tasks hold them: so the line itself is read.
  read -r -a typed <<<"$line"
  case "$line" in
  *[[:space:]]) typed[${#typed[@]}]='' ;;
  esac
  current="${typed[${#typed[@]} - 1]}"
  for word in "${typed[@]:1:${#typed[@]}-2}"; do
    case "$takes$word" in
    -f | -d | -o | -n | -r | -P | -v) takes="$word " ;;
    '-f '* | '-d '*) where=(${where[@]+"${where[@]}"} "${takes% }" "$word") takes='' ;;
    -*' '*) takes='' ;;
    -*) ;;
    *) command="${command:-$word}" ;;
    esac
  done
  [ -z "$takes" ] || return 0 # bash completes files by itself
  case "$command" in
  '' | help) words="@COMMANDS@ $(_comfyfix_words_@PROGRAM@ tasks ${where[@]+"${where[@]}"})" ;;
  @OF_MODELS@) words="$(_comfyfix_words_@PROGRAM@ models ${where[@]+"${where[@]}"})" ;;
  @OF_FILES@) return 0 ;;
  *) words="$(_comfyfix_words_@PROGRAM@ tasks ${where[@]+"${where[@]}"})" ;;
  esac
  case "$COMP_WORDBREAKS" in *:*) before="${current%"${current##*:}"}" ;; esac
  for word in $words; do
    case "$word" in "$current"*) COMPREPLY[${#COMPREPLY[@]}]="${word#"$before"}" ;; esac
  done
}
_comfyfix_words_@PROGRAM@() {
  local hard='@TASKS@' what="$1"
  shift
  if [ -n "$hard" ] && [ "$what" = tasks ]; then
    printf '%s\n' "$hard"
  else
    @PROGRAM@ tabcompletion --words "$what" "$@" 2>/dev/null
  fi
}
complete -o default -F _comfyfix_@PROGRAM@ @PROGRAM@
