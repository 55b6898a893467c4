#!/usr/bin/env bash
# At a release: prints the --build-arg of each base image of the Dockerfile with its digest, so that the same Dockerfile gives the same image.
#   docker build $(.ci/pin-images.sh) -t registry.example.com/auth-gateway:1.2.3 .
set -euo pipefail
cd "$(dirname "$0")/.."
sed -nE 's/^ARG ([A-Z_]+_IMAGE)=([a-z][^$ ]*)$/\1 \2/p' Dockerfile | while read -r name image; do
  digest=$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$image")
  [[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || { echo "no digest of $image: $digest" >&2; exit 1; }
  printf -- '--build-arg %s=%s@%s ' "$name" "$image" "$digest"
done
echo
