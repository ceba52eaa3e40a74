# Merges the trees of $ENV{trees} into $ENV{out} by links. A directory that only one
# tree has becomes one link (not near the top, where others add to it); a symlink is repeated, not linked to, so that a relative
# one finds its target in the merged tree; an absolute one is kept as it is when the
# merged tree lacks the target and turned into that tree otherwise.
use strict;
use warnings;

my $out = $ENV{out};

# Configuration of services, as Debian's packages bring it: nixpkgs' bring none, and a program that
# starts only with one in /etc must not start here either.
my %service_configuration = map { $_ => 1 } qw(etc/default etc/init.d etc/logrotate.d etc/prometheus);

sub entries {
    my ($dir) = @_;
    opendir(my $handle, $dir) or die "nix/debian: cannot list $dir: $!\n";
    return sort grep { $_ ne '.' && $_ ne '..' } readdir $handle;
}

sub is_tree { return !-l $_[0] && -d $_[0] }

# Repeats a package's symlink at $to.
sub repeat {
    my ($from, $to) = @_;
    my $target = readlink $from;
    return if -l $to && readlink($to) eq $target;
    symlink $target, $to or die "nix/debian: $from and another package both have $to: $!\n";
}

# Does a directory hold, at any depth, a symlink that leaves it unless repeated?
sub has_symlinks {
    my ($dir) = @_;
    for my $name (entries($dir)) {
        return 1 if -l "$dir/$name" || (-d "$dir/$name" && has_symlinks("$dir/$name"));
    }
    return 0;
}

sub link_to {
    my ($from, $to) = @_;
    symlink $from, $to or die "nix/debian: cannot make $to: $!\n";
}

# Merges directories into $to. Above `usr/share/NAME` nothing becomes one link, so that
# an image can put files of its own next to these. $below is the path of $to in the tree.
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
            -l $all[0] ? repeat($all[0], "$to/$name") : link_to($all[0], "$to/$name");
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

# nixpkgs' layout beside Debian's: every program in bin, shared data in share.
sub add_nix_layout {
    mkdir "$out/bin" unless -d "$out/bin";
    for my $dir (qw(sbin usr/bin usr/sbin)) {
        next unless -d "$out/$dir";
        -e "$out/bin/$_" || -l "$out/bin/$_" || link_to("$out/$dir/$_", "$out/bin/$_") for entries("$out/$dir");
    }
    rmdir "$out/bin";
    return unless -d "$out/usr/share";
    return link_to('usr/share', "$out/share") unless -d "$out/share";
    # A Rust package has manual pages and completions of its own there.
    -e "$out/share/$_" || link_to("../usr/share/$_", "$out/share/$_") for entries("$out/usr/share");
}

-d $out || mkdir $out or die "nix/debian: cannot make $out: $!\n";
merge(0, '', $out, split ' ', $ENV{trees});
# Where a package had nothing but such files.
rmdir "$out/etc";
settle_absolute_links($out);
add_nix_layout();
