#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# DBD::SQLite. What it asks for by itself when connecting happens before the barrier.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use DBI;
use Truth;

my $truth = Truth->new('sqlite');
my $dbh = DBI->connect('dbi:SQLite:dbname=:memory:', '', '', { AutoCommit => 1, PrintError => 0, RaiseError => 0 });
$dbh->do('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)');
$truth->barrier;

my $sth = $dbh->prepare('INSERT INTO item VALUES (?, ?)');
for my $i (0 .. 29) {
	$sth->execute($i, "n$i");
	$truth->add('INSERT INTO item VALUES (?, ?)', rows => 1);
}
$sth = $dbh->prepare('SELECT name FROM item WHERE id < ?');
for my $i (0 .. 9) {
	$sth->execute($i);
	$truth->add('SELECT name FROM item WHERE id < ?', rows => scalar @{ $sth->fetchall_arrayref });
}
$dbh->do("INSERT INTO item VALUES (1, 'twice')");
$truth->add("INSERT INTO item VALUES (1, 'twice')", errors => 1);
$dbh->prepare('SELECT * FROM nowhere');
$truth->add('SELECT * FROM nowhere', errors => 1);
undef $sth;
$dbh->disconnect;
$truth->write;
