#!/bin/sh
# Shows that the malicious console finds a server that is broken: each patch here breaks one, and the
# walk must stop at an invariant. Usage: tests/mutants/run.sh [PATCH...]
#
# CARGO is the command that builds; PAWL_MUTANTS_TARGET keeps what was built, target/mutants if unset.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
CARGO_TARGET_DIR=${PAWL_MUTANTS_TARGET:-$root/target/mutants}
export CARGO_TARGET_DIR
mkdir -p "$CARGO_TARGET_DIR"
# One place for all of them: cargo knows a package by its path.
tree=$CARGO_TARGET_DIR/tree
log=$CARGO_TARGET_DIR/mutant.log
[ $# -gt 0 ] || set -- tests/mutants/*.patch

survived=0
for patch in "$@"; do
    name=$(basename "$patch" .patch)
    patch=$(realpath "$patch")
    rm -rf "$tree"
    mkdir -p "$tree"
    git ls-files -z | xargs -0 cp --parents -t "$tree"
    cd "$tree"
    # Without a repository of its own the tree would count as part of the one around it.
    git init -q
    if ! git apply "$patch"; then
        echo "mutant $name: the patch does not apply"
        exit 2
    fi
    if ! ${CARGO:-cargo} test --test all --no-run >"$log" 2>&1; then
        cat "$log"
        echo "mutant $name: does not compile"
        exit 2
    fi
    walk=$(sed -n 's/^ *Executable .*(\(.*\))$/\1/p' "$log")
    if "$walk" malicious:: >"$log" 2>&1; then
        echo "mutant $name: SURVIVED"
        survived=1
    elif found=$(grep -o 'INVARIANT [^:]*' "$log"); then
        echo "mutant $name: found ($found)"
    else
        cat "$log"
        echo "mutant $name: failed without an invariant"
        exit 2
    fi
    cd "$root"
done
exit $survived
