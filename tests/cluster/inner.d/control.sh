# shellcheck shell=bash
# The control plane: etcd, API server, controller-manager, scheduler. Sourced by `tests/cluster/inner`.

start_etcd() {
    start etcd etcd --data-dir "$state/etcd" --unsafe-no-fsync --listen-peer-urls http://127.0.0.1:2380 \
        --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379
}

# away MARK CMD…: runs CMD. Where somebody made the file MARK before it ended, it is run again once MARK is gone.
away() {
    local mark=$1
    shift
    "$@" || true
    while [[ -e $mark ]]; do
        while [[ -e $mark ]]; do sleep 0.1; done
        "$@" || true
    done
}

# Who reads which pods, with the time: one line a request.
write_audit_policy() {
    cat >"$state/audit.yaml" <<X
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [ResponseStarted, ResponseComplete, Panic]
rules:
- {level: Metadata, userGroups: [system:serviceaccounts], verbs: [get], resources: [{group: "", resources: [pods, pods/log]}]}
- {level: None}
X
}

start_apiserver() {
    write_audit_policy
    start apiserver away "$state/apiserver-away" kube-apiserver --etcd-servers=http://127.0.0.1:2379 --secure-port=6443 --bind-address=0.0.0.0 \
        --advertise-address=10.200.0.1 --service-cluster-ip-range=10.96.0.0/16 --allow-privileged=true \
        --tls-cert-file="$state/pki/apiserver.crt" --tls-private-key-file="$state/pki/apiserver.key" \
        --client-ca-file="$state/pki/ca.crt" --service-account-issuer=https://kubernetes.default.svc \
        --service-account-key-file="$state/pki/sa.pub" --service-account-signing-key-file="$state/pki/sa.key" \
        --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
        --kubelet-client-certificate="$state/pki/apiserver-client.crt" --kubelet-client-key="$state/pki/apiserver-client.key" \
        --kubelet-certificate-authority="$state/pki/ca.crt" --kubelet-preferred-address-types=InternalIP \
        --audit-policy-file="$state/audit.yaml" --audit-log-path="$state/logs/audit.log"
}

apiserver_is_ready() { kubectl get --raw /readyz; }

start_controllers() {
    start manager kube-controller-manager --kubeconfig="$state/manager.kubeconfig" --leader-elect=false \
        --service-account-private-key-file="$state/pki/sa.key" --root-ca-file="$state/pki/ca.crt" --use-service-account-credentials
    start scheduler kube-scheduler --kubeconfig="$state/scheduler.kubeconfig" --leader-elect=false
}

apply_defaults() {
    kubectl create clusterrolebinding node-proxier --clusterrole=system:node-proxier --user=system:kube-proxy
    kubectl apply -f "$here/manifests/coredns.yaml"
}

# A pod can be created only when its namespace's ServiceAccount exists.
node_is_ready() {
    kubectl get node node-1 --no-headers | grep -q ' Ready ' && kubectl get serviceaccount default
}

dns_is_ready() { kubectl -n kube-system get endpoints kube-dns -o jsonpath='{.subsets[*].addresses[*].ip}' 2>/dev/null | grep -q .; }
