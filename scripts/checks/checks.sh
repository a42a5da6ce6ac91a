# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Shared by the checking scripts: reporting of checks, and checkpatch.pl with this
# project's exceptions. Sourced after lib.sh.

passed=0 failed=0
# check WHAT COMMAND…: run a check; print COMMAND's output only if it fails, in the form
# that scripts/test extracts.
check() {
	local what=$1 output
	shift
	if output=$("$@" 2>&1); then
		echo "ok      $what"
		passed=$((passed + 1))
	else
		printf -- '---- %s\n%s\n\nFAILED  %s\n' "$what" "$output" "$what"
		failed=$((failed + 1))
	fi
}

# verdict: print the last line, and return the exit status.
verdict() {
	echo "$passed passed, $failed failed"
	((failed == 0))
}

# Disabled message types of checkpatch.pl, with reasons.
declare -A except=(
	[MISSING_SIGN_OFF]='the series has not been submitted; its submitter signs it off'
	[FILE_PATH_CHANGES]='new files are in directories that MAINTAINERS lists, or that the series adds to it'
	[BRACKET_SPACE]='[index] = value in a macro body, as in kernel/bpf, is not an array access'
	[MACRO_ARG_UNUSED]='users of bpf_types.h define its macros, and need not use every argument'
	[RCU_TASKS_TRACE]='allowed in BPF code, which checkpatch recognizes by path; rust/helpers/ is not on its list'
)
# The same for BPF programs, which are not kernel code.
# shellcheck disable=SC2034  # used by lint
declare -A except_bpf=(
	[OPEN_BRACE]='a function named for_each_… is mistaken for a loop'
	[VOLATILE]='BPF programs use it for data that userspace writes'
)

# checkpatch LINUX ARGS…: run the checkpatch.pl of that tree.
checkpatch() {
	local linux=$1 output
	shift
	# In git trees it calls a Python parser of licence tags that needs an extra
	# package; hide the git tree from it.
	output=$(GIT_DIR=/nonexistent perl "$linux/scripts/checkpatch.pl" --root="$linux" --strict --quiet \
		--show-types --no-summary --color=never "$@" 2>&1) || { echo "$output"; return 1; }
	# A warning is a failure too.
	[[ -z $output ]] || { echo "$output"; return 1; }
}

# checkpatch_patch LINUX PATCH: check a patch of the series, with the exceptions above.
checkpatch_patch() {
	local ignored="${!except[*]}"
	checkpatch "$1" --ignore "${ignored// /,}" "$2"
}
