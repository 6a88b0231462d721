# Each process writes a part file of its own, so a lock that does not lock costs bandwidth only.
# They are named from inside the folder: what has been looked at is where the file goes.
KIND="${SHA256:0:8}"
KIND="${KIND:-nohash}"
PART="./$NAME.$KIND.$ME.part"
HAVE="./$NAME.$KIND.$ME.have"
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
TRIED=''  # a try has been made at once
SAID=''   # what was answered to it
FAILED='' # that was no beginning
