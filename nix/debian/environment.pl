# Merges the trees of $ENV{trees} into $ENV{out} by links. A directory that exists in only one tree
# becomes one link, except near the top, where other packages add to it. A symlink is copied, so
# that a relative one finds its target in the merged tree. An absolute one points into the merged
# tree if the target exists there, and is kept as it is otherwise.
use strict;
use warnings;

my $out = $ENV{out};

# Configuration of services in Debian's packages. nixpkgs' packages have none, so a program that
# needs a file in /etc must fail to start with this package set too.
my %service_configuration = map { $_ => 1 } qw(etc/default etc/init.d etc/logrotate.d etc/prometheus);

sub entries {
    my ($dir) = @_;
    opendir(my $handle, $dir) or die "nix/debian: failed to list $dir: $!\n";
    return sort grep { $_ ne '.' && $_ ne '..' } readdir $handle;
}

sub is_tree { return !-l $_[0] && -d $_[0] }

# Copies a package's symlink to $to.
sub copy_symlink {
    my ($from, $to) = @_;
    my $target = readlink $from;
    return if -l $to && readlink($to) eq $target;
    symlink $target, $to or die "nix/debian: $from and another package both have $to: $!\n";
}

# Returns true if a directory has a symlink at any depth, which may point out of the directory.
sub has_symlinks {
    my ($dir) = @_;
    for my $name (entries($dir)) {
        return 1 if -l "$dir/$name" || (-d "$dir/$name" && has_symlinks("$dir/$name"));
    }
    return 0;
}

sub link_to {
    my ($from, $to) = @_;
    symlink $from, $to or die "nix/debian: failed to create $to: $!\n";
}

# Merges directories into $to, whose path in the tree is $below. No directory above `usr/share/NAME`
# becomes one link, so that an image can add files next to these.
sub merge {
    my ($depth, $below, $to, @from) = @_;
    my %sources;
    for my $dir (@from) {
        push @{ $sources{$_} }, "$dir/$_" for entries($dir);
    }
    delete $sources{'nix-support'} if $depth == 0;
    for my $name (sort keys %sources) {
        next if $service_configuration{"$below$name"};
        my @all = @{ $sources{$name} };
        my @trees = grep { is_tree($_) } @all;
        if (@trees && @trees != @all) {
            die "nix/debian: a directory in one package, a file in another: @all\n";
        } elsif (!@trees) {
            -l $all[0] ? copy_symlink($all[0], "$to/$name") : link_to($all[0], "$to/$name");
        } elsif (@trees == 1 && $depth > 1 && !has_symlinks($trees[0])) {
            link_to($trees[0], "$to/$name");
        } else {
            mkdir "$to/$name" unless -d "$to/$name";
            merge($depth + 1, "$below$name/", "$to/$name", @trees);
        }
    }
}

sub settle_absolute_links {
    my ($dir) = @_;
    for my $name (entries($dir)) {
        my $path = "$dir/$name";
        if (-l $path) {
            my $target = readlink $path;
            next if $target !~ m{^/} || $target =~ m{^/nix/} || !-e "$out$target";
            unlink $path;
            link_to("$out$target", $path);
        } elsif (-d $path) {
            settle_absolute_links($path);
        }
    }
}

# Adds nixpkgs' layout: every program in bin, shared data in share.
sub add_nix_layout {
    mkdir "$out/bin" unless -d "$out/bin";
    for my $dir (qw(sbin usr/bin usr/sbin)) {
        next unless -d "$out/$dir";
        -e "$out/bin/$_" || -l "$out/bin/$_" || link_to("$out/$dir/$_", "$out/bin/$_") for entries("$out/$dir");
    }
    rmdir "$out/bin";
    return unless -d "$out/usr/share";
    return link_to('usr/share', "$out/share") unless -d "$out/share";
    # A Rust package installs its manual pages and completions there.
    -e "$out/share/$_" || link_to("../usr/share/$_", "$out/share/$_") for entries("$out/usr/share");
}

-d $out || mkdir $out or die "nix/debian: failed to create $out: $!\n";
merge(0, '', $out, split ' ', $ENV{trees});
# It is empty if a package had only such files.
rmdir "$out/etc";
settle_absolute_links($out);
add_nix_layout();
