#!/usr/bin/env bash
# Renders k8s/ and checks every document, offline: against the schema of Kubernetes, then against
# what kigen promises (k8s/check.py). Needs kubectl and a Python with kubernetes-validate.
set -euo pipefail
cd "$(dirname "$0")/.."

python="${KIGEN_PYTHON:-target/tools/venv/bin/python}"
kustomizations=(base dry-run migrate)

fail() {
    printf 'k8s: %s\n' "$1" >&2
    exit 1
}

command -v kubectl >/dev/null ||
    fail "kubectl is missing; 1.21 or later renders k8s/"
command -v "$python" >/dev/null ||
    fail "$python is missing; make a venv there, or name another Python in KIGEN_PYTHON"
"$python" -c 'import tomllib, yaml, kubernetes_validate' 2>/dev/null ||
    fail "$python must be 3.11 or later and have kubernetes-validate: $python -m pip install kubernetes-validate"

rendered="$(mktemp -d)"
trap 'rm -rf "$rendered"' EXIT

for name in "${kustomizations[@]}"; do
    if ! kubectl kustomize "k8s/$name" >"$rendered/$name.yaml" 2>"$rendered/problems"; then
        cat "$rendered/problems" >&2
        fail "k8s/$name does not render with $(kubectl version --client 2>/dev/null | head -n 1)"
    fi
    # A warning today (a deprecated field, say) is an error of the next kubectl.
    if [[ -s "$rendered/problems" ]]; then
        cat "$rendered/problems" >&2
        fail "k8s/$name renders with a warning"
    fi
done

"$python" -B k8s/check.py "$rendered"
