#compdef @PROGRAM@
# Completion of @PROGRAM@ for zsh; made by `@PROGRAM@ tabcompletion --shell zsh`.
_comfyfix_@PROGRAM@() {
  local command='' word takes=''
  local -a commands names where
  commands=(@COMMANDS@)
  for word in "${(@)words[2,CURRENT-1]}"; do
    case "$takes$word" in
    -f | -d | -o | -n | -r | -P | -v) takes="$word " ;;
    '-f '* | '-d '*) where+=("${takes% }" "$word"); takes='' ;;
    -*' '*) takes='' ;;
    -*) ;;
    *) command="${command:-$word}" ;;
    esac
  done
  if [[ -n "$takes" ]]; then
    _files
    return
  fi
  case "$command" in
  '' | help)
    compadd -a commands
    names=("${(@f)$(_comfyfix_words_@PROGRAM@ tasks $where)}")
    ;;
  @OF_MODELS@) names=("${(@f)$(_comfyfix_words_@PROGRAM@ models $where)}") ;;
  @OF_FILES@)
    _files
    return
    ;;
  *) names=("${(@f)$(_comfyfix_words_@PROGRAM@ tasks $where)}") ;;
  esac
  compadd -a names
}
_comfyfix_words_@PROGRAM@() {
  local hard='@TASKS@' what="$1"
  shift
  if [[ -n "$hard" && "$what" == tasks ]]; then
    print -r -- "$hard"
  else
    @PROGRAM@ tabcompletion --words "$what" "$@" 2>/dev/null
  fi
}
(( $+functions[compdef] )) && compdef _comfyfix_@PROGRAM@ @PROGRAM@
