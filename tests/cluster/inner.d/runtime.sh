# shellcheck shell=bash
# The node's half: containerd, the pods' network, kubelet and kube-proxy. Sourced by `tests/cluster/inner`.

write_runtime_config() {
    mkdir -p "$state/cni"
    cat >"$state/containerd.toml" <<X
version = 2
root = "$state/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  # Lowering oom_score_adj is not permitted inside every container or virtual machine.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$state/cni"
X
    # Routed, not bridged: answers then pass the node's address translation without the kernel's br_netfilter.
    cat >"$state/cni/10-pods.conflist" <<X
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local", "dataDir": "/run/cni-ipam",
    "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
X
}

# Output is rotated soon, so that tests see it happen; CONTAINER_LOG_MAX_SIZE is for those that must not.
write_kubelet_config() {
    echo 'nameserver 10.96.0.10' >"$state/resolv.conf"
    cat >"$state/kubelet.yaml" <<X
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 0.0.0.0
tlsCertFile: $state/pki/kubelet.crt
tlsPrivateKeyFile: $state/pki/kubelet.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $state/pki/ca.crt}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
failCgroupV1: false
failSwapOn: false
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
resolvConf: $state/resolv.conf
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
containerLogMaxSize: ${CONTAINER_LOG_MAX_SIZE:-2Mi}
containerLogMaxFiles: 5
containerLogMonitorInterval: 3s
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
imageGCHighThresholdPercent: 100
volumePluginDir: $state/volumeplugins
podLogsDir: /var/log/pods
syncFrequency: 10s
X
}

containerd_answers() { ctr version; }

import_images() {
    local archive
    for archive in "$@"; do ctr images import "$archive" >/dev/null; done
}

start_kubelet() {
    start kubelet away "$state/kubelet-away" kubelet --kubeconfig="$state/kubelet.kubeconfig" --config="$state/kubelet.yaml" --root-dir="$state/kubelet" \
        --hostname-override=node-1 --node-ip=10.200.0.1 --cert-dir="$state/kubelet/pki"
}

start_proxy() {
    start proxy kube-proxy --kubeconfig="$state/proxy.kubeconfig" --proxy-mode=iptables --cluster-cidr=10.244.0.0/16 \
        --hostname-override=node-1 --conntrack-max-per-core=0
}
