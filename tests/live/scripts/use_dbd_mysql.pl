#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# DBD::mysql, or with another name DBD::MariaDB: values are put into the text, or with mysql_server_prepare bound on the server.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use DBI;
use Truth;

my $truth = Truth->new('mysql');
my ($driver, $prefix) = @ARGV ? ('MariaDB', 'mariadb') : ('mysql', 'mysql');
my $source = "dbi:$driver:database=shop;${prefix}_socket=$ENV{MYSQL_SOCKET}";
my %how = (AutoCommit => 1, PrintError => 0, RaiseError => 0);
my $dbh = DBI->connect($source, 'root', '', {%how}) or die $DBI::errstr;
my $bound = DBI->connect("$source;${prefix}_server_prepare=1", 'root', '', {%how}) or die $DBI::errstr;
$truth->barrier;

for my $i (0 .. 19) {
	my $rows = $dbh->selectall_arrayref("SELECT name FROM author WHERE id = $i");
	$truth->add('SELECT name FROM author WHERE id = 1', rows => scalar @$rows);
}
for my $handle ($dbh, $bound) {
	my $sth = $handle->prepare('SELECT id, title FROM book WHERE author_id = ?');
	for my $i (0 .. 19) {
		$sth->execute($i);
		$truth->add('SELECT id, title FROM book WHERE author_id = ?', rows => scalar @{ $sth->fetchall_arrayref });
	}
}
$dbh->begin_work;
$dbh->do("INSERT INTO log (id, note) VALUES (1, 'p')");
$truth->add("INSERT INTO log (id, note) VALUES (1, 'p')", rows => 1);
$dbh->do('UPDATE log SET note = ? WHERE id = ?', undef, 'q', 1);
$truth->add("UPDATE log SET note = 'q' WHERE id = 1", rows => 1);
$dbh->rollback;
$bound->do('INSERT INTO log (id, note) VALUES (?, ?)', undef, 2, undef);
$truth->add('INSERT INTO log (id, note) VALUES (?, ?)', rows => 1);
$bound->do('DELETE FROM log WHERE id = ?', undef, 2);
$truth->add('DELETE FROM log WHERE id = ?', rows => 1);
$dbh->do('SELECT * FROM nowhere');
$truth->add('SELECT * FROM nowhere', errors => 1);
my $slow = $dbh->prepare('SELECT id FROM book ORDER BY id', { "${prefix}_use_result" => 1 });
$slow->execute;
$truth->add('SELECT id FROM book ORDER BY id', rows => scalar @{ $slow->fetchall_arrayref });
undef $slow;
$dbh->disconnect;
$bound->disconnect;
$truth->write;
