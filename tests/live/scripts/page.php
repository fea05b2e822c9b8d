<?php
// SPDX-License-Identifier: BSD-2-Clause
// A page for php-fpm: a few statements each time it is asked for.
require __DIR__ . '/truth.php';

$truth = new Truth('postgresql');
$pdo = new PDO('pgsql:');
$pdo->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_SILENT);
$stmt = $pdo->prepare('SELECT title FROM book WHERE author_id = ?');
for ($i = 0; $i < 5; $i++) {
    $stmt->execute([$i]);
    $truth->add('SELECT title FROM book WHERE author_id = $1', rows: count($stmt->fetchAll()));
}
$stmt = null;
if ($pdo->exec('SELECT * FROM nowhere') === false) {
    $truth->add('SELECT * FROM nowhere', errors: 1);
}
$truth->write();
$pdo = null;

$truth = new Truth('sqlite');
$lite = new PDO('sqlite::memory:');
$lite->exec('CREATE TABLE item (id INTEGER PRIMARY KEY)');
$truth->add('CREATE TABLE item (id INTEGER PRIMARY KEY)');
for ($i = 0; $i < 5; $i++) {
    $lite->exec("INSERT INTO item VALUES ($i)");
    $truth->add('INSERT INTO item VALUES (1)', rows: 1);
}
$truth->write();
echo 'done ', getmypid();
