#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# DBD::Pg: no placeholders go as simple queries, the second execution with placeholders is prepared on the server.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use DBI;
use Truth;

my $truth = Truth->new('postgresql');
my $dbh = DBI->connect('dbi:Pg:', '', '', { AutoCommit => 1, PrintError => 0, RaiseError => 0 }) or die $DBI::errstr;
$truth->barrier;

for my $i (0 .. 19) {
	my $rows = $dbh->selectall_arrayref("SELECT name FROM author WHERE id = $i");
	$truth->add('SELECT name FROM author WHERE id = 1', rows => scalar @$rows);
}
my $sth = $dbh->prepare('SELECT id, title FROM book WHERE author_id = ?');
for my $i (0 .. 19) {
	$sth->execute($i);
	$truth->add('SELECT id, title FROM book WHERE author_id = $1', rows => scalar @{ $sth->fetchall_arrayref });
}
$dbh->begin_work;
$dbh->do("INSERT INTO log (id, note) VALUES (1, 'p')");
$truth->add("INSERT INTO log (id, note) VALUES (1, 'p')", rows => 1);
$dbh->do('UPDATE log SET note = ? WHERE id = ?', undef, 'q', 1);
$truth->add('UPDATE log SET note = $1 WHERE id = $2', rows => 1);
$dbh->rollback;
for my $bad ('SELECT 1/0', 'SELECT * FROM nowhere') {
	$dbh->do($bad);
	$truth->add($bad, errors => 1);
}
undef $sth;
$dbh->disconnect;
$truth->write;
