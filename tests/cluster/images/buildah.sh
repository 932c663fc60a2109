# shellcheck shell=bash
# How images are built and kept: buildah with its storage in the cache, one archive for each image and state of its inputs.
# Sourced by `tests/cluster/build-images` and `tests/cluster/load`.

export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=overlay
archives=$cache/images
cluster_images=(pause coredns nginx tools)
own_images=(logship-operator logship)

storage() { buildah --root "$cache/buildah/root" --runroot "$cache/buildah/runroot" "$@"; }

# inputs_of IMAGE: the hash of everything that decides what is in it.
inputs_of() {
    case $1 in
    coredns) hash_of "$here/images" "$(programs_of coredns)" ;;
    logship) { rustc -vV && hash_of "$root"/{Cargo.toml,Cargo.lock,Dockerfile.sidecar,crd,sidecar}; } | sha256sum | cut -c1-16 ;;
    logship-operator) { rustc -vV && hash_of "$root"/{Cargo.toml,Cargo.lock,Dockerfile.operator,crd,operator}; } | sha256sum | cut -c1-16 ;;
    *) hash_of "$here/images" ;;
    esac
}

# archive_of IMAGE: where its archive is, or will be.
archive_of() { printf '%s/%s-%s.tar' "$archives" "$1" "$(inputs_of "$1")"; }

# reference_of IMAGE: its name in the cluster.
reference_of() {
    case $1 in
    logship*) printf 'localhost/%s:dev' "$1" ;;
    *) printf 'localhost/%s:1' "$1" ;;
    esac
}

# keep IMAGE: writes the built image to its archive.
keep() {
    local archive
    archive=$(archive_of "$1")
    rm -f "$archive.partial"
    storage push --quiet "$(reference_of "$1")" "oci-archive:$archive.partial:$(reference_of "$1")"
    mv "$archive.partial" "$archive"
}
