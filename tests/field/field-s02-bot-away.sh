#!/bin/sh
# GIVE S02, the bot was away for a minute: whoever reads the output of a client that stays takes
# nothing for a while (long: 60 s) and comes back; in a second run it dies after 40 messages.
. "$(dirname "$0")/lib.sh"
count AWAY_SECONDS 7 60
count AWAY_MESSAGES 100 100
server_init
no_limits
set_ini heartbeat 2s # who takes nothing for three of them is cut off
server_start
port=${url##*:}
register ann1 ann@example.org
register bob1 bob@example.org
# A hundred of them do not fit into a pipe.
filler=$(head -c 1500 /dev/zero | tr '\0' x)
send_hundred() { # WORDS
    "$WAX_BUILD/tests/e2e/burst" "$tmp/ann1" bob@example.org "$filler $1" 1 "$AWAY_MESSAGES" >"$tmp/ids" 2>"$tmp/burst.err" ||
        die 'messages for the bot' "$tmp/burst.err"
}
wanted=$(seq 1 "$AWAY_MESSAGES")
numbers_of() { events "$1" .text | sed -n "s/.* $2 //p"; }
mkfifo "$tmp/pipe"

# --- The reader is detached ---
cat "$tmp/pipe" >"$tmp/read" &
reader=$!
"$wax" --json --home "$tmp/bob1" receive --follow >"$tmp/pipe" 2>"$tmp/bob1.ferr" &
follower=$!
others="$reader $follower"
w ann1 send bob@example.org 'are you there 0' >/dev/null
until_true 20 grep -q 'are you there 0' "$tmp/read" || die 'the bot reads' "$tmp/bob1.ferr"
kill -STOP $reader
begun=$(date +%s)
send_hundred first
sleep "$AWAY_SECONDS"
left=$(mailbox_count)
check 'what the reader did not take fills the pipe, nobody drops it' [ "$(numbers_of "$tmp/read" first | wc -l)" -lt "$AWAY_MESSAGES" ]
check 'it was detached that long' [ $(($(date +%s) - begun)) -ge "$AWAY_SECONDS" ]
kill -CONT $reader
last_read() { [ "$(numbers_of "$tmp/read" first | tail -n 1)" = "$AWAY_MESSAGES" ]; }
check 'attached again it gets them' until_true 60 last_read
same 'all of them, in order, each once' "$wanted" "$(numbers_of "$tmp/read" first)"
same 'none is marked as a repeat' '' "$(events "$tmp/read" 'select(.repeat) | .id')"
check 'the client is the same process' kill -0 $follower
figure "$left messages were left at the server while nobody read"
kill -INT $follower
wait $follower $reader
others=''

# --- The reader dies after 40 ---
# Before, it hesitates, so that the pipe is full of what it will never read. It confirms by the seq of what it has dealt with.
: >"$tmp/dealt"
reader() { # COUNT: deals with so many messages, or all there are
    n=0
    while [ $n != "$1" ] && read -r line; do
        printf '%s\n' "$line" >>"$tmp/dealt"
        case $line in *'"type":"message"'*) n=$((n + 1)) ;; esac
    done
}
{ until_true 60 [ -e "$tmp/all-sent" ]; reader 40; sleep 2; } <"$tmp/pipe" &
reader=$!
"$wax" --json --home "$tmp/bob1" receive --follow >"$tmp/pipe" 2>"$tmp/bob1.ferr" &
follower=$!
others="$reader $follower"
send_hundred second
: >"$tmp/all-sent"
wait $reader
rc=0
wait $follower || rc=$?
others=''
same 'without its reader the client ends, with 74' 74 $rc
same 'the reader has dealt with 40' "$(seq 1 40)" "$(numbers_of "$tmp/dealt" second)"
confirmed=$(events "$tmp/dealt" .seq | tail -n 1)
reader all <"$tmp/pipe" &
reader=$!
"$wax" --json --home "$tmp/bob1" receive --follow --since "$confirmed" >"$tmp/pipe" 2>"$tmp/bob1.ferr" &
follower=$!
others="$reader $follower"
last_dealt() { [ "$(numbers_of "$tmp/dealt" second | tail -n 1)" = "$AWAY_MESSAGES" ]; }
check 'the next reader gets the rest' until_true 60 last_dealt
same 'it goes on after what was confirmed; nothing is missing, nothing twice' "$wanted" "$(numbers_of "$tmp/dealt" second)"
sed 1,40d "$tmp/dealt" >"$tmp/rest"
repeats=$(events "$tmp/rest" 'select(.repeat) | .id' | wc -l)
figure "$repeats of $((AWAY_MESSAGES - 40)) had gone into the pipe of the dead reader"
check 'what had been written for the dead reader is marked as a repeat' [ "$repeats" -ge 1 ]
same 'and only that, at the beginning' "$repeats" "$(events "$tmp/rest" '.repeat // false' | sed '/false/,$d' | wc -l)"
same 'nobody was told of an alert' '' "$(events "$tmp/dealt" 'select(.type == "alert")')"
kill -INT $follower
wait $follower $reader
others=''
code 0 'afterwards nothing is new' j bob1 receive
same 'and nothing is printed' '' "$(cat "$tmp/out")"
server_stop
finish
