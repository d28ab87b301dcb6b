# Shared by ops/* and .ci/run: finds the checkout, the toolchain and the system packages. Sourced, never run.
# shellcheck shell=bash disable=SC2034

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Linked by the build, and redis-server, which the node and the tests start.
packages=(libevent-dev libssl-dev libhiredis-dev libsqlite3-dev libwslay-dev redis-server openssl)
# Used by .ci/run only.
ci_packages=(lua-check shellcheck curl python3 python3-yaml strace prometheus haproxy nginx-light systemd)

say() { printf '==> %s\n' "$*" >&2; }

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Puts `swift` on PATH.
need_swift() {
    command -v swift >/dev/null && return
    [[ -x /opt/swift/usr/bin/swift ]] || fail "no Swift toolchain: put swift 6.2 or newer on PATH, or in /opt/swift"
    PATH=/opt/swift/usr/bin:$PATH
    export PATH
}

as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "this needs root or sudo: $*"
    fi
}

# Installs those of the given Debian packages that are missing; asks the network only when one is.
need_packages() {
    local package missing=()
    for package in "$@"; do
        dpkg -s "$package" 2>/dev/null | grep -q '^Status: install ok installed$' || missing+=("$package")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    say "installing ${missing[*]}"
    as_root apt-get update -qq
    for package in "${missing[@]}"; do
        case $package in
            redis-server | prometheus | haproxy | nginx-light)
                install_quietly "${missing[@]}"
                return
                ;;
        esac
    done
    apt_install "${missing[@]}"
}

apt_install() { as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; }

# Debian starts a service when it installs it. Sojourn starts its own private Redis servers and needs only the
# programs, so a policy-rc.d (Debian's own switch: 101 forbids) stands in the way of the start, unless the machine has
# one already; the services are also disabled, or the next boot would start them. What was installed before is never
# touched.
install_quietly() {
    local policy=/usr/sbin/policy-rc.d code=0 package
    if [[ -e $policy ]]; then
        apt_install "$@" || code=$?
    else
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        apt_install "$@" || code=$?
        as_root rm -f "$policy"
    fi
    [[ $code -eq 0 ]] || fail "apt-get could not install $*"
    if command -v systemctl >/dev/null; then
        for package in "$@"; do
            case $package in
                redis-server | prometheus | haproxy) ;;
                nginx-light) package=nginx ;;
                *) continue ;;
            esac
            as_root systemctl disable --now "$package.service" >/dev/null 2>&1 || true
        done
    fi
}
