#!/bin/sh
# Refuses a machine that cannot run the cluster, before anything is set up: no Python environment, no package, no folder.
# A cluster that KUBECONFIG names needs nothing of the machine but Python.
set -u
refuse() {
  echo "$1" >&2
  exit 1
}
python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
  refuse 'Python 3.11 or later with its module venv is missing: apt-get install python3-venv'
own="${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/mediaimport/pki/admin.kubeconfig"
same='import os, sys; sys.exit(len({os.path.realpath(path) for path in sys.argv[1:]}) > 1)'
if [ -n "${KUBECONFIG:-}" ] && ! python3 -c "$same" "$KUBECONFIG" "$own"; then exit 0; fi
way='or start kind, k3d or any other cluster and set KUBECONFIG to it.'
[ "$(uname -s)" = Linux ] || refuse "The cluster needs Linux, and this is $(uname -s): use such a machine, $way"
[ "$(id -u)" = 0 ] || refuse "The cluster needs root, and you are not root: run make as root, $way"
command -v go >/dev/null ||
  refuse "Go is not on PATH, and the cluster's programs are compiled with it: install Go 1.21 or later, $way"
# Debian 12 has 1.19. From 1.21 on, Go downloads the version that a go.mod names.
found=$(go version 2>&1)
case "$found " in
*' go1.'[0-9][.\ ]* | *' go1.1'[0-9][.\ ]* | *' go1.20'[.\ ]*)
  refuse "Go is too old ($found): install Go 1.21 or later (https://go.dev/dl), $way"
  ;;
esac
