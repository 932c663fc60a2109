# shellcheck shell=bash
# The cluster's certificates and kubeconfigs, made new for every start. Elliptic curves throughout: RSA keys would take a second.
# Sourced by `tests/cluster/inner`.

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

# pair NAME SUBJECT ALTERNATIVE_NAMES: NAME.key and NAME.crt, signed by the cluster's CA, for both ends of a connection.
pair() {
    new_key "$1.key"
    openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
    printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$3" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
}

kubeconfig() {
    cat <<X
apiVersion: v1
kind: Config
clusters: [{name: local, cluster: {server: "https://127.0.0.1:6443", certificate-authority: $state/pki/ca.crt}}]
users: [{name: local, user: {client-certificate: $state/pki/$1.crt, client-key: $state/pki/$1.key}}]
contexts: [{name: local, context: {cluster: local, user: local}}]
current-context: local
X
}

make_pki() (
    mkdir "$state/pki"
    cd "$state/pki"
    new_key ca.key
    openssl req -x509 -new -key ca.key -subj /CN=cluster-ca -days 365 -out ca.crt \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
    pair apiserver /CN=kube-apiserver \
        IP:127.0.0.1,IP:10.200.0.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc
    pair apiserver-client /O=system:masters/CN=kube-apiserver DNS:client
    pair kubelet /O=system:nodes/CN=system:node:node-1 IP:127.0.0.1,IP:10.200.0.1,DNS:node-1
    pair admin /O=system:masters/CN=admin DNS:client
    pair manager /CN=system:kube-controller-manager DNS:client
    pair scheduler /CN=system:kube-scheduler DNS:client
    pair proxy /CN=system:kube-proxy DNS:client
    new_key sa.key
    openssl ec -in sa.key -pubout -out sa.pub 2>/dev/null
    local name
    for name in kubelet admin manager scheduler proxy; do kubeconfig "$name" >"$state/$name.kubeconfig"; done
)
