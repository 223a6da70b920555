#!/bin/sh
# Makes note.png of note.html: what a visitor sees, with two of the claims. Needs Debian's chromium.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed 's|</style>|main article:not(#nat-source):not(#connect-name) { display: none; }</style>|' note.html > "$work/note.html"
chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync \
  --user-data-dir="$work/profile" --hide-scrollbars --window-size=960,1420 --screenshot=note.png \
  "file://$work/note.html" >/dev/null 2>&1
