#!/usr/bin/env bash
# Installs in one step, before any test, what the checks want from Debian. Without root or apt-get it says what is missing and goes on:
# the test that needs it then fails and names it.
set -euo pipefail
packages=(redis-server postgresql systemd chromium fonts-wqy-zenhei haproxy pgbouncer libfaketime python3-jwt python3-cryptography python3-venv nginx-light
  spin gcc cpp libc6-dev buildah podman runc debootstrap)
missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "packages: not installed here: ${missing[*]}" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
# DPkg::Lock::Timeout does not wait for the lock of the package lists: update is tried again instead.
for attempt in 1 2 3 4 5 6; do
  apt-get -q -o DPkg::Lock::Timeout=300 update >/dev/null && break
  [ "$attempt" -lt 6 ] || { echo 'packages: apt-get update failed six times' >&2; exit 1; }
  sleep 10
done
apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" >/dev/null
echo "packages: installed ${missing[*]}"
