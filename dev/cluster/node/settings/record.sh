#!/bin/sh
# Writes its process id to the file $1, then becomes the rest of the command line: it never runs unrecorded.
set -eu
echo $$ > "$1"
shift
exec "$@"
