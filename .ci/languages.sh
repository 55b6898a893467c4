#!/usr/bin/env bash
# The verifiers in other languages: their own tests, then an example service of each before a real gateway, then services that are
# built on stock libraries. Fails when a toolchain is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/node_modules/.bin:$PATH"
# Debian's own Go may stand before it, and is too old for the module.
[ ! -x /usr/local/go/bin/go ] || export PATH="/usr/local/go/bin:$PATH"
for tool in go java mvn python3 cargo; do
  command -v "$tool" >/dev/null || { echo "languages: FAILED: $tool is not installed" >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Commands side by side, each with its output in one piece afterwards; the machine has two cores, and most of the time is waiting.
together() {
  local pids=() names=() failed=0 n
  for command in "$@"; do
    bash -c "$command" >"$work/${#pids[@]}" 2>&1 &
    pids+=($!) names+=("$command")
  done
  for n in "${!pids[@]}"; do
    if wait "${pids[n]}"; then
      printf -- '-- passed: %s\n' "${names[n]}"
      grep -E '^[a-z0-9-]+ +ok ' "$work/$n" || true
    else
      printf -- '-- FAILED: %s\n' "${names[n]}"
      tail -n 80 "$work/$n"
      failed=1
    fi
  done
  return $failed
}

together 'cd sdks/go && go vet ./... && go test -race ./... && cd ginauth && go vet ./... && go test -race ./...' \
  'mvn -q -B -f sdks/java/pom.xml verify'
sdks/python/check.sh
together 'node sdks/live/run.ts go java' 'node sdks/live/run.ts python node'
together 'node sdks/stock/run.ts go-oidc authlib spring-security' 'node sdks/stock/run.ts golang-jwt jsonwebtoken jose4j'
