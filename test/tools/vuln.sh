#!/usr/bin/env bash
# Runs govulncheck, and says "not run" instead of failing when the vulnerability database is out of reach.
set -uo pipefail
out=$("$1" ./... 2>&1)
code=$?
if [ $code -ne 0 ] && grep -qE 'fetching vulnerabilities|no such host|connection refused|i/o timeout|dial tcp|403|proxyconnect' <<<"$out"; then
  echo "vulnerability check: not run, the vulnerability database is out of reach"
  exit 0
fi
echo "$out"
exit $code
