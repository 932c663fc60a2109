# shellcheck shell=bash
# Turns the fresh namespaces into a node: its network, and its own copy of every place that the programs write to outside the
# state folder, so that the machine keeps nothing. Sourced by `tests/cluster/inner`.

own_network() {
    ip link set lo up
    # A bridge, because not every kernel has dummy links.
    ip link add node0 type bridge
    ip address add 10.200.0.1/24 dev node0
    ip link set node0 up
    ip route add default dev node0
    echo 1 >/proc/sys/net/ipv4/ip_forward
}

# CNI, containerd and the kubelet have these paths built in.
own_folders() {
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p "$state/var-lib" "$state/var-log"
    mount --bind "$state/var-lib" /var/lib
    mount --bind "$state/var-log" /var/log
}

# The kubelet sets these for the whole machine; it gets files to write to instead.
own_kernel_settings() {
    local key
    for key in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
        mkdir -p "$state/sysctl/${key%/*}"
        cat "/proc/sys/$key" >"$state/sysctl/$key"
        mount --bind "$state/sysctl/$key" "/proc/sys/$key"
    done
}

# The kubelet wants its root cgroup to exist: with cgroup v1 in every hierarchy.
own_cgroup() {
    local hierarchy
    if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
        mkdir -p "/sys/fs/cgroup/$cgroup"
        return
    fi
    for hierarchy in /sys/fs/cgroup/*/; do
        [[ -e $hierarchy/cgroup.procs ]] || continue
        mkdir -p "$hierarchy/$cgroup"
    done
}
