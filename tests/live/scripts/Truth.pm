# SPDX-License-Identifier: BSD-2-Clause
# Ground truth of a traced Perl program; see clients/truth.h.
package Truth;
use strict;
use warnings;
use JSON::PP;

sub new {
	my ($class, $system) = @_;
	return bless { system => $system, rows => {} }, $class;
}

sub add {
	my ($self, $sql, %what) = @_;
	my $row = $self->{rows}{$sql} //= { sql => $sql, calls => 0, errors => 0, rows => 0,
		control => $what{control} ? JSON::PP::true : JSON::PP::false };
	$row->{calls} += $what{calls} // 1;
	$row->{errors} += $what{errors} // 0;
	$row->{rows} += $what{rows} // 0;
	return;
}

sub barrier {
	return unless $ENV{BARRIER};
	local $| = 1;
	print "ready\n";
	my $line = <STDIN>;
	return;
}

sub write {
	my ($self) = @_;
	open(my $file, '>>', $ENV{GROUND_TRUTH}) or die $!;
	print {$file} encode_json({ system => $self->{system}, queries => [values %{ $self->{rows} }] }), "\n";
	close($file);
	return;
}

1;
