# SPDX-License-Identifier: BSD-2-Clause
# DBIx::Class: 30 books and the author of each; one query for each author ("bad"), or all with the books.
use strict;
use warnings;

package Shop::Author;
use base 'DBIx::Class::Core';
__PACKAGE__->table('dbic_author');
__PACKAGE__->add_columns(qw(id name));
__PACKAGE__->set_primary_key('id');

package Shop::Book;
use base 'DBIx::Class::Core';
__PACKAGE__->table('dbic_book');
__PACKAGE__->add_columns(qw(id author));
__PACKAGE__->set_primary_key('id');
__PACKAGE__->belongs_to(author => 'Shop::Author');

package Shop;
use base 'DBIx::Class::Schema';
__PACKAGE__->register_class(Author => 'Shop::Author');
__PACKAGE__->register_class(Book   => 'Shop::Book');

package main;
use DBD::SQLite;
use DBD::Pg;

$| = 1;
print "ready\n";
scalar <STDIN>;
my $pg = $ARGV[1] eq 'postgresql';
my $shop = Shop->connect($pg ? 'dbi:Pg:' : 'dbi:SQLite::memory:', '', '', {AutoCommit => 1});
my $dbh = $shop->storage->dbh;
$dbh->do('CREATE TABLE dbic_author (id integer primary key, name text)');
$dbh->do('CREATE TABLE dbic_book (id integer primary key, author integer)');
$dbh->do('INSERT INTO dbic_author VALUES ' . join(',', map { "($_, 'author $_')" } 1 .. 30));
$dbh->do('INSERT INTO dbic_book VALUES ' . join(',', map { "($_, $_)" } 1 .. 30));
select(undef, undef, undef, 0.3);
my $books = $shop->resultset('Book')->search({}, $ARGV[0] eq 'bad' ? {} : {prefetch => 'author'});
my $count = 0;
while (my $book = $books->next) {
	$count++ if $book->author->name;
}
die 'count' unless $count == 30;
select(undef, undef, undef, 0.3);
$dbh->do('DROP TABLE dbic_book');
$dbh->do('DROP TABLE dbic_author');
