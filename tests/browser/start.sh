#!/usr/bin/env bash
# The example console starts with a Pawl of its own, tells its story to that Pawl, and shows its first page.
#
#   tests/browser/start.sh CONSOLE
set -euo pipefail
. "$(dirname "$0")/console.sh"
start "$1"
page=$(curl -fsSL "$url")
[[ $page == *'<form'* ]]
echo "the example console starts and shows its first page"
