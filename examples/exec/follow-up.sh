#!/bin/sh
# Follows up a paid order: files its receipt, once. Bellhop runs it for each event (docs/EXEC.md); its output is shown
# with the delivery. Exit status 0 is done, 65 (the event is no good) gives up, and any other is tried again.
set -eu

if [ ! -d "$RECEIPTS" ]; then
	echo "there is no folder $RECEIPTS yet"
	exit 75
fi
receipt=$RECEIPTS/$BELLHOP_EVENT_ID.json
if [ -e "$receipt" ]; then
	echo "filed before" # a command runs at least once
	exit 0
fi
part=$(mktemp "$RECEIPTS/.part.XXXXXX")
trap 'rm -f "$part"' EXIT
cat >"$part" # the body of the event, byte for byte
case $BELLHOP_EVENT_SUBJECT in
orders/?*) ;;
*)
	echo "the subject is not orders/NUMBER"
	exit 65
	;;
esac
mv "$part" "$receipt" # whole or not at all
echo "filed $BELLHOP_EVENT_SUBJECT"
