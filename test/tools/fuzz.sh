#!/usr/bin/env bash
# Fuzzes every parser of outside input for a moment each. The argument is how long that is, as go test takes it: 2s when left out. What fails
# is kept below testdata/fuzz of its package, and is tried by go test from then on.
set -euo pipefail
moment=${1:-2s}
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# Fuzzes one target. Go's fuzzer fails with "context deadline exceeded", and without an input, when its time ends while a
# worker is busy: that says nothing about the target, so it is fuzzed once more. An input that hangs has another message.
fuzz() {
  go test "$1" -run '^$' -fuzz "^$2\$" -fuzztime "$moment" </dev/null >"$output" 2>&1 && return
  grep -q 'context deadline exceeded' "$output" && ! grep -q 'Failing input' "$output" || return 1
  echo "again	$1 $2: the time ended while a worker was busy"
  go test "$1" -run '^$' -fuzz "^$2\$" -fuzztime "$moment" </dev/null >"$output" 2>&1
}

while IFS=: read -r file target; do
  package=./$(dirname "$file") target=${target#func }
  if ! fuzz "$package" "$target"; then
    cat "$output"
    echo "fuzzing has found something: $package $target" >&2
    exit 1
  fi
  inputs=$(grep -oE 'execs: [0-9]+' "$output" | tail -1 | cut -d' ' -f2) || inputs=known # no time was left after those of earlier runs
  echo "ok  	$package $target, $inputs inputs"
done < <(git grep -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | sort)
