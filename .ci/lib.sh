# What the scripts in this folder share. To be sourced, after $name is set; everything it prints
# goes to stderr, as some of them have a result on stdout.

say() { echo "$name: $*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "needs root for: $*"
        return 1
    fi
}

# Installs what is missing of the named Debian packages. It removes none to make room: some exclude
# others, which is not for a build script to decide.
install_debian() {
    if ! command -v apt-get >/dev/null; then
        say "needs what Debian calls: $*"
        return 1
    fi
    missing=
    for package; do
        case $(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null) in
        ii*) ;;
        *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    say "installing Debian packages:$missing"
    mkdir -p build
    # An old list may do; if it does not, the installation says so.
    as_root apt-get update -qq >build/apt.log 2>&1 </dev/null || true
    # shellcheck disable=SC2086 # one word per package
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        --no-remove $missing >>build/apt.log 2>&1 </dev/null || {
        tail -n 5 build/apt.log >&2
        return 1
    }
}

# unpack_debian PACKAGE FILE TO: takes one program out of a Debian package, without installing it.
unpack_debian() {
    if ! command -v apt-get >/dev/null; then
        return 1
    fi
    say "unpacking ${3##*/} from Debian's package $1"
    folder=$(dirname "$3")
    mkdir -p "$folder"
    new=$(mktemp -d "$PWD/$folder/new.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    # An old list may do; if it does not, a new one is needed.
    if ! download_debian "$1" >"$new/log" 2>&1; then
        as_root apt-get update -qq >"$new/log" 2>&1 </dev/null || true
        download_debian "$1" >>"$new/log" 2>&1 || {
            tail -n 5 "$new/log" >&2
            return 1
        }
    fi
    # Each with its end: in the condition of a caller `set -e` does not count.
    dpkg-deb -x "$new/$1"_*.deb "$new/files" || return 1
    "$new/files/$2" --version >/dev/null || {
        say "$2 of Debian's package $1 does not run here"
        return 1
    }
    # Renamed into place: who looks for it at the same time finds all of it or nothing.
    mv -f "$new/files/$2" "$3"
}

download_debian() { (cd "$new" && apt-get download -qq "$1"); }

# build_tool CRATE VERSION: builds a program of crates.io into build/CRATE, if it is not there.
build_tool() {
    # Cargo keeps there what it has installed.
    grep -qs "^\"$1 $2 " "build/$1/.crates.toml" && return
    say "building $1 $2"
    cargo install "$1" --quiet --locked --version "$2" --root "build/$1" >&2
}

# Debian keeps the part of python3 that makes virtual environments in a package of its own.
need_python() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_debian python3 python3-venv
}

# install_pypi PINS FOLDER: a virtual environment with what .ci/pins/PINS.txt names. Nothing is taken but files whose
# hash stands there, nor built here: what a build fetches has no hash.
install_pypi() {
    # Written last: a half installation or an old one is made anew.
    cmp -s ".ci/pins/$1.txt" "$2/pins.txt" && return
    need_python
    say "installing from PyPI into $2, as .ci/pins/$1.txt has it"
    rm -rf "$2"
    mkdir -p "$(dirname "$2")"
    python3 -m venv "$2" >&2
    "$2/bin/pip" install --quiet --disable-pip-version-check --no-input --require-hashes --only-binary :all: \
        --requirement ".ci/pins/$1.txt" >&2
    cp ".ci/pins/$1.txt" "$2/pins.txt"
}

# install_npm PINS FOLDER: what .ci/pins/PINS/package.json names, by the hashes of its lock file; no script of it runs.
install_npm() {
    cmp -s ".ci/pins/$1/package-lock.json" "$2/pins.json" && return
    command -v node >/dev/null || install_debian nodejs
    command -v npm >/dev/null || install_debian npm
    say "installing from npm into $2, as .ci/pins/$1 has it"
    rm -rf "$2"
    mkdir -p "$2"
    cp ".ci/pins/$1/package.json" ".ci/pins/$1/package-lock.json" "$2"
    (cd "$2" && npm ci --silent --ignore-scripts --no-audit --no-fund >&2 </dev/null)
    cp ".ci/pins/$1/package-lock.json" "$2/pins.json"
}
