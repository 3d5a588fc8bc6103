# ./dev check, sourced by ./dev: every step prints one line, a failed one its log, and the
# last line is `N passed, N failed`, counting single tests where a step has many.

passed=0 failed=0

# step NAME COMMAND…: counts cmocka lines where there are some, else the step itself.
step() {
    name=$1
    shift
    [ -z "${only:-}" ] || [ "$only" = "$name" ] || return 0
    if [ -n "${list:-}" ]; then echo "$name"; return 0; fi
    log=$top/.cache/check-$name.log
    start=$(date +%s)
    if "$@" >"$log" 2>&1; then rc=0; else rc=$?; fi
    ok=$(grep -c '\[       OK \]\|^ok [0-9]*' "$log" || :)
    bad=$(grep -c '\[  FAILED  \] [a-z]\|^not ok ' "$log" || :)
    [ "$ok" -gt 0 ] || ok=1
    if [ "$rc" = 0 ] && [ "$bad" = 0 ]; then
        passed=$((passed + ok))
        printf 'ok    %-22s %4d tests, %d s\n' "$name" "$ok" $(($(date +%s) - start))
    else
        [ "$bad" -gt 0 ] || bad=1
        [ "$ok" -gt 1 ] || ok=0
        passed=$((passed + ok)) failed=$((failed + bad))
        printf 'FAIL  %-22s exit %d, %d s; the end of %s:\n' "$name" "$rc" $(($(date +%s) - start)) "$log"
        grep -n 'FAILED\|not ok\|rror:\|ERROR' "$log" | head -n 20
        tail -n 40 "$log"
    fi
}

# Runs the meson tests of the suites named and prints their whole output.
meson_suites() {
    dir=$1
    shift
    args=
    for s in "$@"; do args="$args --suite $s"; done
    rc=0
    rm -f "$dir/meson-logs/testlog.txt"
    meson test -C "$dir" --no-rebuild $args --print-errorlogs >/dev/null 2>&1 || rc=$?
    cat "$dir/meson-logs/testlog.txt" || rc=1 # a suite without tests is a failure too
    return $rc
}

sanitized() { build_in "$top/build-san" debugoptimized -Db_sanitize=address,undefined -Db_lundef=false; }
clang_build() { CC=clang build_in "$top/build-clang" debugoptimized; }

# fuzz_build ENGINE, then fuzz_with ENGINE ARGUMENTS of tools/fuzz.
fuzz_build() {
    if [ "$1" = afl ]; then
        need_afl
        AFL_QUIET=1 CC=afl-clang-fast build_in "$top/build-afl" debugoptimized -Dfuzz=afl -Db_lundef=false
    else
        CC=clang build_in "$top/build-fuzz" debugoptimized -Dfuzz=libfuzzer -Db_lundef=false
    fi
}

fuzz_with() {
    engine=$1
    shift
    fuzz_build "$engine"
    case $engine in
    afl) tools/fuzz afl "$top/build-afl" "$@" ;;
    *) tools/fuzz libfuzzer "$top/build-fuzz" "$@" ;;
    esac
}

# ./dev fuzz [--engine libfuzzer|afl] [SECONDS | --cpu-minutes M [TARGET…] | --merge [TARGET…]]
fuzz() {
    engine=libfuzzer
    if [ "${1:-}" = --engine ] && [ $# -ge 2 ]; then
        engine=$2
        shift 2
    fi
    case $engine:${1:-60} in
    libfuzzer:--cpu-minutes | afl:--cpu-minutes | libfuzzer:--merge) ;;
    libfuzzer:*[!0-9]* | afl:*[!0-9]*) echo "fuzz: what is $1?" >&2; exit 64 ;;
    libfuzzer:* | afl:*) ;;
    *) echo "fuzz: the engines are libfuzzer and afl" >&2; exit 64 ;;
    esac
    [ $# -gt 0 ] || set -- 60
    fuzz_with "$engine" "$@"
}

check() {
    only= list=
    while [ $# -gt 0 ]; do
        case $1 in
        --only) only=$2; shift ;;
        --only=*) only=${1#*=} ;;
        --list) list=1 ;;
        --trixie) exec tools/bare trixie ./dev check ;;
        *) echo "check: unknown option $1" >&2; exit 64 ;;
        esac
        shift
    done
    mkdir -p .cache
    step layers tools/check-layers
    step size tools/check-size
    step headers tools/check-headers
    step fuzz-targets tools/check-fuzz
    step tools tests/tools/test_checks.sh
    step build build_in "$build" debugoptimized
    step unit meson_suites "$build" unit
    step vectors meson_suites "$build" vectors
    step store meson_suites "$build" store
    step scenario meson_suites "$build" scenario
    step faults meson_suites "$build" faults
    step poison-gcc meson_suites "$build" poison
    step e2e meson_suites "$build" e2e
    step fire meson_suites "$build" fire
    step field meson_suites "$build" field
    step hostile meson_suites "$build" hostile
    step clang-build clang_build
    step poison-clang meson_suites "$top/build-clang" poison
    step san-build sanitized
    step san-unit meson_suites "$top/build-san" unit
    step san-vectors meson_suites "$top/build-san" vectors
    step san-store meson_suites "$top/build-san" store
    step san-faults meson_suites "$top/build-san" faults
    step san-scenario meson_suites "$top/build-san" scenario
    step san-fuzz-corpora meson_suites "$top/build-san" fuzz
    step san-conversation meson_suites "$top/build-san" conversation
    step fuzz fuzz_with libfuzzer 60
    [ -n "$list" ] && return 0
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
}
