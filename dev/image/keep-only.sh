#!/bin/sh
# Purge Debian's packages but those that match an extended regular expression, those whose libraries these are linked
# with, and those that hold the copyright of a kept one. dpkg goes, too; its database stays, since scanners read it.
set -eu
kept=$(mktemp)
owners() { xargs dpkg-query --search | cut -d: -f1; }

dpkg-query --show --showformat '${Package}\n' > "$kept.all"
grep -xE "$1" "$kept.all" > "$kept"
# ldd fails for the scripts among the programs, and goes on.
xargs dpkg --listfiles < "$kept" | grep -E '/s?bin/[^/]+$|\.so(\.[^/]*)?$' | sort -u > "$kept.programs"
xargs ldd < "$kept.programs" 2> /dev/null | awk '$2 == "=>" {print $3} $1 ~ "/ld-linux" {print $1}' | grep '^/' \
  | sort -u | xargs realpath | owners >> "$kept"
# A folder of documents that is a link leads to the package that holds them.
sed 's|^|/usr/share/doc/|' "$kept" | xargs realpath | owners | tr -d ' ' | tr ',' '\n' >> "$kept"

# Their scripts need one another, Perl among others, and prepare for a system that goes on: all of it goes.
grep -vxFf "$kept" "$kept.all" > "$kept.purged"
while read -r package; do
  rm -f "/var/lib/dpkg/info/$package".p* "/var/lib/dpkg/info/$package":*.p* "/var/lib/dpkg/info/$package".triggers
done < "$kept.purged"
xargs dpkg --purge --force-depends --force-remove-essential --force-remove-protected < "$kept.purged"
rm -rf /etc/apt /etc/dpkg /etc/init.d /etc/pam.d /etc/rc?.d /etc/security /etc/skel /etc/systemd /etc/*- /var/cache/* /var/log/* \
  /var/lib/apt /var/lib/pam /var/lib/systemd /var/lib/dpkg/alternatives /var/lib/dpkg/*-old /var/lib/dpkg/lock* "$kept"*
find / -xdev -type l ! -path '/dev/*' ! -path '/proc/*' ! -exec test -e {} \; -delete
