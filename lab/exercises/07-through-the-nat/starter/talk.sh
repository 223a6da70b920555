# A server to try stay.py with, called as: talk.sh PORT. It waits for a first hello, and prints every one.
# It says something after 1 second, is silent for 4, and ends the talk after 6.
(sleep 1; echo soon; sleep 4; echo late; sleep 1; echo bye) | nc -u -l -q 1 "$1"
