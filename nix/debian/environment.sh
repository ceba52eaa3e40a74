# Every package's files in one tree of links; the work is done in Perl, which is part
# of every Debian system, because a process a file would take seconds.
perl "$linker"
exit 0
