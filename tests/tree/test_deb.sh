#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The Debian package: lintian has no complaint, it installs into an empty root, works from there, and leaves nothing behind.
# shellcheck disable=SC2319 # the status of a condition is what result() judges
set -u
cd "$(dirname "$0")/../.." || exit 1
for tool in dpkg-deb dpkg-shlibdeps; do
	command -v $tool >/dev/null || { echo "1..0 # SKIP $tool is not installed"; exit 0; }
done
[ -x build/apm-bpf ] || { echo '1..0 # SKIP build/apm-bpf is not built'; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0 status=0 said=

# result STATUS NAME: one line of TAP; what stands in $said explains a failure
result()
{
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		printf '%s\n' "$said" | head -n 40 | sed 's/^/# /'
		status=1
	fi
}

skip()
{
	number=$((number + 1))
	echo "ok $number - $1 # SKIP $2"
}

said=$(tools/deb "$work/one" 2>&1)
result $? 'builds'
package=$(ls "$work"/one/*.deb 2>/dev/null)
said=$(sleep 1; SOURCE_DATE_EPOCH=1700000000 tools/deb "$work/two" 2>&1 && SOURCE_DATE_EPOCH=1700000000 tools/deb "$work/three" 2>&1 &&
	cmp "$work"/two/*.deb "$work"/three/*.deb 2>&1)
result $? 'the same tree gives the same package'

if command -v lintian >/dev/null; then
	said=$(lintian --allow-root --fail-on error,warning "$package" 2>&1)
	result $? 'lintian has no complaint'
else
	skip 'lintian has no complaint' 'lintian is not installed'
fi

if [ "$(id -u)" = 0 ]; then
	root=$work/root
	mkdir -p "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/info" "$root/var/log"
	touch "$root/var/lib/dpkg/status"
	said=$(dpkg --root="$root" --force-depends --install "$package" 2>&1)
	result $? 'installs'
	said=$("$root/usr/sbin/apm-bpf" --version 2>&1)
	[ "$said" = "$(build/apm-bpf --version)" ]
	result $? 'runs from there'
	said=$(find "$root/usr" -type f ! -perm /g+w ! -perm /o+w | wc -l; find "$root/usr" -type f | wc -l)
	[ "$(printf '%s' "$said" | sort -u | wc -l)" -le 1 ]
	result $? 'nothing in it is writable by others'
	said=$(cd "$root" && md5sum --quiet -c var/lib/dpkg/info/apm-bpf.md5sums 2>&1)
	result $? 'its checksums hold'
	missing=
	for file in share/man/man8/apm-bpf.8.gz share/bash-completion/completions/apm-bpf share/zsh/vendor-completions/_apm-bpf \
		share/doc/apm-bpf/copyright share/doc/apm-bpf/findings/n_plus_one.md; do
		[ -s "$root/usr/$file" ] || missing="$missing $file"
	done
	said=$missing
	[ -z "$missing" ]
	result $? 'manual page, completions and documentation are there'
	said=$(dpkg --root="$root" --purge apm-bpf 2>&1)
	result $? 'is removed'
	said=$(find "$root/usr" ! -type d 2>/dev/null)
	[ -z "$said" ]
	result $? 'and leaves nothing behind'
else
	skip 'installs and is removed' 'needs root'
fi
echo "1..$number"
exit $status
