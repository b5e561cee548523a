#!/bin/sh
# Joins the control groups that the file $1 lists, then becomes the rest of the command line.
set -eu
while read -r group; do echo $$ > "$group/cgroup.procs"; done < "$1"
shift
exec "$@"
