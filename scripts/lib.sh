# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the scripts share: where things live, how they speak, how a long command
# is kept quiet. Sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# Everything fetched or built outside cargo's target directory lives here.
cache=${LPM_MTRIE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lpm-mtrie}
# The kernels of this checkout: links into the cache, made by scripts/kernel.
# shellcheck disable=SC2034  # used by the scripts that source this file
kernels=$root/target/kernels
# The static programs that run in the machine: machine-init, suite, demo, lpm, examples.
# shellcheck disable=SC2034  # used by the scripts that source this file
programs=${CARGO_TARGET_DIR:-$root/target}/x86_64-unknown-linux-musl/release
# The same for the machine of 64-bit Arm.
# shellcheck disable=SC2034  # used by the scripts that source this file
programs_arm64=${CARGO_TARGET_DIR:-$root/target}/aarch64-unknown-linux-musl/release
# What cargo builds for tests and lints alone, shared by all checkouts: nobody runs
# these files by name, so one checkout's cannot be taken for another's.
# shellcheck disable=SC2034  # used by the scripts that source this file
checks_target=$cache/cargo
# They need no C, so the linker that comes with rustc will do.
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld
llvm=19
bindgen_version=0.72.1
# shellcheck disable=SC2034  # used by the scripts that source this file
bindgen_root=$cache/bindgen-$bindgen_version
# Where the system's QEMU is too old; scripts/setup fetches it.
qemu_version=10.0.2
qemu_root=$cache/qemu-$qemu_version
rust_version=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$root/rust-toolchain.toml")

# A shell that was open before rustup came does not have it in PATH yet; depmod
# and modprobe are outside a plain user's PATH on Debian.
[[ :$PATH: == *:$bindgen_root/bin:* ]] ||
	PATH=$qemu_root/bin:$bindgen_root/bin:${CARGO_HOME:-$HOME/.cargo}/bin:$PATH:/usr/sbin:/sbin
# Kernel builds run outside the checkout, where rust-toolchain.toml is not seen.
RUSTUP_TOOLCHAIN=$rust_version
# bindgen must read the kernel's headers as the compiler does: same version.
LIBCLANG_PATH=/usr/lib/llvm-$llvm/lib
export PATH RUSTUP_TOOLCHAIN LIBCLANG_PATH

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "error: $*"; exit 1; }

# usage: print the comment block at the head of the running script.
usage() { sed -n '/^# SPDX/d; 2,/^[^#]/s/^# \{0,1\}//p' "$0"; }

# took START: seconds since START (a value of $SECONDS), for people.
took() {
	local s=$((SECONDS - $1))
	if ((s < 100)); then echo "$s s"; else echo "$((s / 60)) min $((s % 60)) s"; fi
}

# quietly LOG WHAT COMMAND…: run COMMAND with its output in LOG, say once a
# minute that it lives, and show the log's end if it fails.
quietly() {
	local log=$1 what=$2 start=$SECONDS pid beat status=0
	shift 2
	mkdir -p "$(dirname "$log")"
	"$@" </dev/null >"$log" 2>&1 &
	pid=$!
	(
		# The lock on the cache is not this process's to hold on to.
		trap 'kill "$nap" 2>/dev/null; exit' TERM
		while sleep 60 >/dev/null 2>&1 & nap=$!; wait "$nap"; do
			say "$what: $(took "$start"), $(wc -l <"$log") lines in $log"
		done
	) 9>&- &
	beat=$!
	# shellcheck disable=SC2064  # the ids of now
	trap "kill $pid $beat 2>/dev/null" EXIT
	wait "$pid" || status=$?
	kill "$beat" 2>/dev/null || true
	trap - EXIT
	((status == 0)) && return
	say "$what failed with status $status; from $log:"
	{ grep -nE '(^|[ :])([Ee]rror|\*\*\*|undefined)|warning: unused' "$log" | head -n 20; echo ...; tail -n 20 "$log"; } >&2
	return "$status"
}

# fresh_checks: forget what another checkout compiled of its own crates in
# checks_target; cargo goes by the age of files, and would take it for this one's.
fresh_checks() {
	local member members=()
	[[ $(cat "$checks_target/checkout" 2>/dev/null) != "$root" ]] || return 0
	while read -r member; do
		members+=(-p "$member")
	done < <(cargo metadata --no-deps --format-version 1 | grep -o '"name":"[^"]*","version"' | cut -d'"' -f4)
	mkdir -p "$checks_target"
	cargo clean --quiet --target-dir "$checks_target" "${members[@]}"
	cargo clean --quiet --release --target-dir "$checks_target" "${members[@]}"
	echo "$root" >"$checks_target/checkout"
}

# need TOOL PACKAGE: install it if it is missing.
need() {
	local sudo=''
	command -v "$1" >/dev/null && return
	((EUID == 0)) || sudo=sudo
	say "installing $2, for $1"
	$sudo apt-get install -qq -y --no-install-recommends "$2" >/dev/null || die "$1 is missing; install the package $2"
}

# old_qemu PROGRAM: true if it is older than 8.1, or missing; prints its version.
#
# Before 8.1, QEMU's emulation loses changes of code that another CPU is about to run,
# as those who attach to a probe or a tracepoint make them: the kernel dies of a
# breakpoint that is not there any more, or a program never runs. Upstream's mending is
# commit deba78709ae8 ("accel/tcg: Always lock pages before translation").
old_qemu() {
	local version
	version=$("$1" --version 2>/dev/null | sed -n 's/.*version \([0-9.]*\).*/\1/p')
	echo "$version"
	[[ $(printf '%s\n' 8.1 "$version" | sort -V | head -n 1) != 8.1 ]]
}

# tools_version: what compiles kernels, for the keys of their products.
tools_version() {
	"clang-$llvm" --version | head -n 1
	"ld.lld-$llvm" --version
	rustc -vV
	bindgen --version
	pahole --version
}

# reproducible: the same inputs give the same kernel, whoever builds it and when.
reproducible() {
	export KBUILD_BUILD_TIMESTAMP='2026-01-01 00:00:00' KBUILD_BUILD_USER=lpm-mtrie KBUILD_BUILD_HOST=lpm-mtrie
	# Set and empty: keeps kbuild from asking git for a suffix of the release name.
	export LOCALVERSION=
	# Nor does it matter whether a make runs this: at its level the kernel's tests build in /.
	unset KBUILD_OUTPUT KCONFIG_CONFIG MAKEFLAGS MFLAGS MAKELEVEL
}

# The parts of patches/, in the order in which they apply; each but the last is of use
# without the later ones. What only a module needs is a part of its own, so that the
# in-tree form is the others of its parts, without a rule about single patches.
# shellcheck disable=SC2034  # used by the scripts that source this file
stacks=(1-sleepable-updates 2-map-types-from-modules 3-lpm-mtrie 3-lpm-mtrie/module)
# shellcheck disable=SC2034  # used by series
in_tree_stacks=(1-sleepable-updates 3-lpm-mtrie)

# series_patches PART…: their patches, in order. A cover letter (0000) is none.
series_patches() {
	local part patch
	for part; do
		for patch in "$root/patches/$part"/[0-9]*.patch; do
			[[ ! -e $patch || ${patch##*/} == 0000-* ]] || echo "$patch"
		done
	done
}

# hash_of FILE…: one sha256 over names (as given) and contents.
hash_of() { sha256sum -- "$@" | sha256sum | cut -d' ' -f1; }

# lock_cache: hold the cache until this script ends; two runs would otherwise
# build in one directory. A script that is called by the holder passes.
lock_cache() {
	[[ ${LPM_MTRIE_LOCKED-} == "$cache" ]] && return
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock -n 9 || { say "waiting for another run that uses $cache"; flock 9; }
	export LPM_MTRIE_LOCKED=$cache
}

# private_apt TOOL ARGS…: apt with lists, cache and sources of its own, as any user.
private_apt() {
	local tool=$1
	shift
	"$tool" -q -o Dir::Etc::SourceList="$cache/apt/debian.sources" -o Dir::Etc::SourceParts=- \
		-o Dir::State::Lists="$cache/apt/lists" -o Dir::Cache="$cache/apt/cache" \
		-o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none \
		-o APT::Default-Release= "$@"
}

# The Debian mirror that this machine is configured for. Machines that never
# ran apt-get update know no origin yet; there the address has to do.
debian_mirror() {
	# shellcheck disable=SC2016  # apt's own placeholders
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' |
		awk -F'|' '$3 != "main" { next }
			$1 == "Debian" && $2 == "Debian" { print $4; found = 1; exit }
			$1 == "" && $4 ~ /\/debian\/?$/ { guess = guess ? guess : $4 }
			END { if (!found && guess) print guess }'
}

# fetch_deb SUITE PACKAGE VERSION SHA256: download a package of a Debian suite from this
# machine's mirror, the newest if that version is gone; print "VERSION FILE". The
# caller holds the cache, and the system's package sources stay as they are.
fetch_deb() {
	local suite=$1 package=$2 version=$3 sha256=$4 mirror has keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	command -v apt-get >/dev/null || die "no apt here to fetch $package with"
	[[ -r $keyring ]] || die "$keyring is missing (package debian-archive-keyring); run scripts/setup"
	mirror=$(debian_mirror)
	[[ -n $mirror ]] || die "apt is configured for no Debian mirror to fetch $package from"
	mkdir -p "$cache"/apt/{lists/partial,cache/archives/partial}
	printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
		"$mirror" "$suite" "$keyring" >"$cache/apt/debian.sources"
	private_apt apt-get update >"$cache/apt/log" 2>&1 ||
		{ cat "$cache/apt/log" >&2; die "cannot read the package lists of $suite"; }
	has=$(private_apt apt-cache madison "$package" | awk -F' *[|] *' '{ print $2 }')
	[[ -n $has ]] || die "the mirror has no $package in $suite any more"
	if ! grep -qFx "$version" <<<"$has"; then
		say "the mirror no longer has $package $version"
		version=$(sort -V <<<"$has" | tail -n 1) sha256=''
		say "falling back to the newest that it has: $version (signature checked by apt, no pinned sha256)"
	fi
	rm -f "$cache/apt/$package"_*.deb
	(cd "$cache/apt" && private_apt apt-get download "$package=$version") >>"$cache/apt/log" 2>&1 ||
		{ tail "$cache/apt/log" >&2; die "cannot download $package $version"; }
	set -- "$cache/apt/$package"_*.deb
	[[ -z $sha256 ]] || sha256sum --quiet -c - <<<"$sha256  $1" >&2 ||
		die "$1 does not have the pinned sha256; not used"
	echo "$version $1"
}
