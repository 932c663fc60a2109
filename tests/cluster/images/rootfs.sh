# shellcheck shell=bash
# One function for each image of the cluster: fills the folder $1 with the image's files. Sourced by `tests/cluster/build-images`.

# copy_program FOLDER PROGRAM: the program, the libraries it is linked to and the loader, at their own paths.
copy_program() {
    local library
    install -D "$2" "$1/usr/bin/$(basename "$2")"
    for library in $(ldd "$2" | grep -o '/[^ ]*'); do cp --parents --dereference "$library" "$1"; done
}

# users FOLDER: names for the ids that programs look up, and a /tmp for everybody.
users() {
    mkdir -p "$1/etc" "$1/tmp"
    chmod 1777 "$1/tmp"
    printf '%s\n' root:x:0:0::/:/bin/sh nginx:x:101:101::/: nobody:x:65534:65534::/: >"$1/etc/passwd"
    printf '%s\n' root:x:0: nginx:x:101: nogroup:x:65534: >"$1/etc/group"
}

files_of_pause() { cc -static -Os -s -o "$1/pause" "$here/images/pause.c"; }

files_of_coredns() {
    mkdir "$1/coredns"
    cp "$(programs_of coredns)/coredns" "$1/coredns/"
    cp "$here/images/coredns.Corefile" "$1/coredns/Corefile"
}

# The package is unpacked, not installed: installing it would start a web server on this machine.
files_of_nginx() {
    local package=$work/nginx-package
    mkdir "$package"
    # A machine that had every other package may have no package lists.
    apt-cache show nginx >/dev/null 2>&1 || apt-get update -qq
    (cd "$package" && apt-get download -qq -o APT::Sandbox::User=root nginx && dpkg-deb --extract nginx_*.deb .)
    users "$1"
    copy_program "$1" "$package/usr/sbin/nginx"
    install -D "$package/usr/sbin/nginx" "$1/usr/sbin/nginx"
    rm "$1/usr/bin/nginx"
    mkdir -p "$1/var/log/nginx" "$1/etc/nginx"
    chmod 1777 "$1/var/log/nginx"
    cp "$here"/images/nginx/*.conf "$1/etc/nginx/"
}

files_of_tools() {
    local applet
    users "$1"
    copy_program "$1" "$(command -v curl)"
    mkdir "$1/bin"
    cp /usr/bin/busybox "$1/bin/"
    for applet in $(busybox --list | grep -v "^busybox$"); do ln -s busybox "$1/bin/$applet"; done
    cp --parents --dereference /etc/ssl/certs/ca-certificates.crt "$1"
}

files_of_builder() {
    local folder
    users "$1"
    for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$1/$folder"; done
    mkdir -p "$1"/{usr,src,toolchain,cargo/registry,etc/alternatives}
    cp --parents --dereference /etc/ssl/certs/ca-certificates.crt "$1"
}
