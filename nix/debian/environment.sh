# Merges the packages into one tree of links. Perl is part of every Debian system, and one shell
# process for each file would take seconds.
perl "$linker"
exit 0
