# Each process writes a part file of its own, so a lock that does not lock costs bandwidth only.
# They are named from inside the folder: what has been looked at is where the file goes.
KIND="${SHA256#git:}"
KIND="${KIND:0:8}"
KIND="${KIND:-nohash}"
PART="./$NAME.$KIND.$ME.part"
HAVE="./$NAME.$KIND.$ME.have"
MIRRORS='' MIRROR_KIND='' MIRROR_PART=''
case "$SHA256" in
*[!0-9a-f]*) ;; # a mirror knows no git
????????????????????????????????????????????????????????????????)
  MIRRORS="$MIRRORS_GIVEN" MIRROR_KIND="${SHA256:8:8}"
  MIRROR_PART="./$NAME.$MIRROR_KIND.$ME.part"
  [ "$MIRROR_KIND" != "$KIND" ] || MIRRORS='' # no hash is like that
  ;;
esac
WORK="./.$NAME.$ME.work"
LOCK="./.$NAME.lock"
WORKER=''
BEAT=''
LOCKED=''
HASHER=''
EVENTS=''
KEEPING=''
KNOWN_WRONG=''
REASON=''
LOW=0
ROOM='' # bytes that a file may have whose size is not known, or rounded
HASH=''
TARGET=''
PIN=''
ETAG=''
STRAYED=''
LED=''    # by a redirect, to another place than the script tells
NEXT=''   # where a redirect leads that was not followed at once
REACHED='' # a server has answered
NAMED=''  # the part, where its file has a second name that stays
TRIED=''  # a try has been made at once
SAID=''   # what was answered to it
WHOLE=''  # fetched by another program, into another file
FAILED='' # that was no beginning
