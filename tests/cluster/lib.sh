# shellcheck shell=bash
# What every script of the local cluster shares: where things are kept, how steps are reported, which programs belong to
# which Go module. Sourced, never run. Nothing here changes the machine.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${LOGSHIP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/logship}
state=${LOGSHIP_CLUSTER_DIR:-$cache/cluster/default}
cgroup=logship-$(printf %s "$state" | sha256sum | cut -c1-12)

say() { printf '>> %s\n' "$*" >&2; }

die() {
    printf '>> error: %s\n' "$*" >&2
    exit 1
}

# step TEXT CMD…: runs CMD and says how long it took.
step() {
    local text=$1 start=${EPOCHREALTIME/./}
    shift
    say "$text …"
    "$@"
    say "$text: $(seconds_since "$start") s"
}

# seconds_since START_MICROSECONDS: with one decimal.
seconds_since() {
    local tenths=$(((${EPOCHREALTIME/./} - $1) / 100000))
    printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

# hash_of PATH…: one short hash of the paths and contents of all files below PATH…. Paths count from the project's root, so
# that every checkout of one state has the same images.
hash_of() {
    find "$@" -type f -not -path '*/target/*' -print0 | sort -z | xargs -0 sha256sum |
        sed "s|  $root/|  |" | sha256sum | cut -c1-16
}

# wait_for SECONDS TEXT CMD…: polls CMD until it succeeds; fails when the time is over.
wait_for() {
    local deadline=$((SECONDS + $1)) text=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= deadline)); then
            say "waited in vain for $text"
            return 1
        fi
        sleep 0.1
    done
}

# install_packages PACKAGE…: as root on Debian or a relative; elsewhere it says in one message what to install.
install_packages() {
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        die "missing packages; install them with: sudo apt-get install --no-install-recommends $*"
    fi
    export DEBIAN_FRONTEND=noninteractive
    step "apt-get update" apt-get update -qq
    step "install $*" apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

# missing_packages NEED:PACKAGE…: the packages whose program (or file) is not there.
missing_packages() {
    local need
    for need; do
        command -v "${need%%:*}" >/dev/null || [[ -e ${need%%:*} ]] || printf '%s\n' "${need#*:}"
    done
}

# The module folder that pins the wanted Kubernetes.
kubernetes_module() {
    local version=${KUBERNETES_VERSION:-1.36.3} module
    for module in "$here"/modules/kubernetes*; do
        if grep -q "k8s.io/kubernetes v$version\$" "$module/go.mod"; then
            basename "$module"
            return
        fi
    done
    die "KUBERNETES_VERSION=$version has no module in tests/cluster/modules"
}

# modules: the folders below modules/ that make up the cluster.
modules() { printf '%s\n' "$(kubernetes_module)" containerd etcd helm coredns; }

# programs_of MODULE: where the programs of MODULE are, or will be. The key is all that decides what is built.
programs_of() {
    local module=$here/modules/$1
    local key
    key=$({ go env GOVERSION GOARCH && cat "$module/go.mod" "$module/go.sum" "$here/build"; } | sha256sum | cut -c1-16)
    printf '%s/programs/%s-%s' "$cache" "$1" "$key"
}

# programs_path: the folders of all programs, as a PATH.
programs_path() {
    local module
    for module in $(modules); do printf '%s:' "$(programs_of "$module")"; done
}

# is_running: whether a reaper, and so a cluster, lives in $state. The lock ends with its holder, whatever ends it.
is_running() { [[ -e $state/lock ]] && ! flock --shared --nonblock "$state/lock" true; }

# remove_cgroups: the folders that the kubelet made, deepest first; they can be removed once their last process is gone.
remove_cgroups() {
    find /sys/fs/cgroup -depth -type d -path "/sys/fs/cgroup/*$cgroup*" -exec rmdir {} + 2>/dev/null || true
    [[ -z $(find /sys/fs/cgroup -maxdepth 2 -name "$cgroup") ]]
}
