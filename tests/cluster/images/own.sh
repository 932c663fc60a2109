# shellcheck shell=bash
# Builds the operator's and the sidecar's image from the project's real Dockerfiles. The builder stage's base is a skeleton over
# which this machine's toolchain and crates are mounted, so nothing is downloaded or copied; cargo's target folder is in the cache.
# Sourced by `tests/cluster/build-images`.

dockerfile_of() { [[ $1 == logship ]] && echo "$root/Dockerfile.sidecar" || echo "$root/Dockerfile.operator"; }

build_own() {
    local target=$cache/image-target cargo_home=${CARGO_HOME:-$HOME/.cargo}
    (cd "$root" && cargo fetch --locked --quiet)
    mkdir -p "$target"
    # The target folder is shared by all checkouts, and cargo goes by modification times, which say nothing across them.
    rm -rf "$target"/*/release/.fingerprint/logship*
    local mounts=(
        --volume /usr:/usr:ro
        --volume /etc/alternatives:/etc/alternatives:ro
        --volume "$(cd "$root" && rustc --print sysroot):/toolchain:ro"
        --volume "$cargo_home/registry:/cargo/registry"
        --volume "$target:/src/target"
    )
    [[ ! -e $cargo_home/config.toml ]] || mounts+=(--volume "$cargo_home/config.toml:/cargo/config.toml:ro")
    storage bud --quiet --build-arg BUILDER=localhost/builder:1 "${mounts[@]}" \
        --tag "$(reference_of "$1")" --file "$(dockerfile_of "$1")" "$root" >/dev/null
    keep "$1"
    say "$1: $(stat -c %s "$target"/*/release/"$1" | head -1) bytes of program, $(stat -c %s "$(archive_of "$1")") bytes of image"
}
