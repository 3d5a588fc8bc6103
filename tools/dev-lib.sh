# Set-up and build, sourced by ./dev ($top and $build are set).

# What has to be there: building, then what only tests and docs need.
packages="build-essential meson ninja-build pkg-config git ca-certificates
 libssl-dev libsodium-dev libnghttp2-dev libevent-dev libcurl4-openssl-dev libsqlite3-dev
 libprotobuf-c-dev libprotobuf-dev protobuf-c-compiler protobuf-compiler libqrencode-dev libjansson-dev
 libinih-dev libseccomp-dev zlib1g-dev scdoc
 libcmocka-dev clang clang-format libclang-rt-dev valgrind universal-ctags curl jq sqlite3 openssl
 procps debootstrap"

stamp() { printf '%s/.cache/setup-%s' "$top" "$(cat "$top/tools/dev-lib.sh" "$top/package.json" | cksum | cut -d' ' -f1)"; }

openssl_has_kem() { pkg-config --atleast-version=3.5 libcrypto; }

setup() {
    missing=
    for p in $packages; do
        dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
    done
    if [ -n "$missing" ]; then
        if [ "$(id -u)" != 0 ]; then
            echo "setup: these Debian packages are missing:$missing" >&2
            echo "setup: run \`sudo ./dev setup\`, or install them by hand" >&2
            exit 77
        fi
        echo "setup: installing$missing"
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends $missing >/dev/null
    fi
    if ! openssl_has_kem && [ ! -d node_modules/pqclean/deps ]; then
        if ! command -v npm >/dev/null; then
            if [ "$(id -u)" != 0 ]; then
                echo "setup: npm is missing (it brings the ML-KEM sources): run \`sudo ./dev setup\`" >&2
                exit 77
            fi
            echo "setup: installing npm"
            apt-get update -qq
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null
        fi
        echo "setup: fetching the ML-KEM sources (npm: pqclean)"
        npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
    fi
    mkdir -p .cache
    rm -f .cache/setup-*
    : >"$(stamp)"
}

need_setup() { [ -e "$(stamp)" ] && { openssl_has_kem || [ -d node_modules/pqclean/deps ]; } || setup; }

# AFL++ is wanted by `./dev fuzz --engine afl` alone, so it comes when that is first called.
need_afl() {
    ! command -v afl-clang-fast >/dev/null || return 0
    if [ "$(id -u)" != 0 ]; then
        echo "setup: AFL++ is missing: run \`sudo apt-get install afl++\`" >&2
        exit 77
    fi
    echo "setup: installing afl++"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends afl++ >/dev/null
}

# build_in DIR BUILDTYPE [MESON OPTIONS]: quiet when all is well.
build_in() {
    dir=$1 type=$2
    shift 2
    mkdir -p "$top/.cache"
    if [ ! -e "$dir/build.ninja" ]; then
        meson setup "$dir" "$top" --buildtype="$type" "$@" >"$top/.cache/meson.log" 2>&1 ||
            { tail -n 30 "$top/.cache/meson.log" >&2; return 1; }
    fi
    ninja -C "$dir" -n 2>/dev/null | grep -q 'no work to do' ||
        echo "building $(basename "$dir") (from nothing this takes a few minutes)"
    ninja -C "$dir" >"$top/.cache/ninja.log" 2>&1 || { tail -n 60 "$top/.cache/ninja.log" >&2; return 1; }
}

install_to() {
    build_in "$top/build-release" release -Dtests=false
    meson configure "$top/build-release" "-Dprefix=$(realpath -m "$1")" -Dlibdir=lib >/dev/null
    build_in "$top/build-release" release
    meson install -C "$top/build-release" --no-rebuild --quiet >/dev/null
    echo "installed under $1: bin/wax, bin/waxd, lib/libwax.so, libexec/waxwing, include/wax, share/man; put $1/bin on PATH"
}
