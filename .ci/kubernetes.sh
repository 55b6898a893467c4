#!/usr/bin/env bash
# Renders every overlay and every component with kustomize 5 and checks each against the schemas of three Kubernetes versions, strictly.
# What is missing is fetched: kustomize by Go (Debian's kubectl carries kustomize 2), the schemas from PyPI (kubernetes-validate has them all).
set -euo pipefail
cd "$(dirname "$0")/.."
versions=${KUBERNETES_VERSIONS:-1.33 1.35 1.37}
out=${OUT:-.cache/kubernetes}
mkdir -p "$out"

# A laptop without the tools must not fail its checks; with CI set it does.
skip() {
  echo "SKIPPED: $1" >&2
  [ -z "${CI:-}" ]
  exit
}

if kubectl version --client 2>/dev/null | grep -qE 'Kustomize Version: v([5-9]|[0-9]{2})\.'; then
  render() { kubectl kustomize "$1"; }
elif command -v kustomize >/dev/null; then
  render() { kustomize build "$1"; }
elif command -v go >/dev/null; then
  GOBIN=$PWD/$out go install sigs.k8s.io/kustomize/kustomize/v5@v5.5.0
  render() { "$out/kustomize" build "$1"; }
else
  skip 'neither kubectl with kustomize 5, nor kustomize, nor Go is here'
fi

if [ ! -x "$out/python/bin/kubernetes-validate" ]; then
  python3 -m venv "$out/python" && "$out/python/bin/pip" install --quiet kubernetes-validate==1.37.0 ||
    skip 'the schemas cannot be had from PyPI'
fi

for overlay in k8s/overlays/*; do render "$overlay" >"$out/overlay-$(basename "$overlay").yaml"; done
for component in k8s/components/*; do
  name=$(basename "$component")
  mkdir -p "$out/$name"
  # Next to the checkout's own files, since kustomize takes relative paths alone.
  printf 'resources: [%s]\ncomponents: [%s]\n' "$(realpath --relative-to="$out/$name" k8s/base)" \
    "$(realpath --relative-to="$out/$name" "$component")" >"$out/$name/kustomization.yaml"
  render "$out/$name" >"$out/component-$name.yaml"
done

files=("$out"/overlay-*.yaml "$out"/component-*.yaml)
for version in $versions; do
  # Custom resources (KEDA, Gateway API, Prometheus, external secrets) are of no Kubernetes version; k8s/k8s.test.ts checks those.
  "$out/python/bin/python" - "$version" "${files[@]}" <<'PYTHON'
import sys, yaml, kubernetes_validate as kv
version, files = sys.argv[1], sys.argv[2:]
checked, custom, wrong = 0, set(), []
for file in files:
    for document in filter(None, yaml.safe_load_all(open(file))):
        group = document["apiVersion"].split("/")[0]
        if "." in group and not group.endswith((".k8s.io",)) or group == "gateway.networking.k8s.io":
            custom.add(group)
            continue
        try:
            kv.validate(document, version, strict=True)
            checked += 1
        except kv.ValidationError as error:
            wrong.append(f"{file}: {document['kind']} {document['metadata']['name']}: {error.message} at {'.'.join(map(str, error.path))}")
print(f"Kubernetes {version}: {checked} objects of {len(files)} renderings fit; not of Kubernetes: {', '.join(sorted(custom))}")
print("\n".join(wrong))
sys.exit(bool(wrong) or not checked)
PYTHON
done
