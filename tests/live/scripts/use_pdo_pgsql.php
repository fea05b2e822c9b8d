<?php
// SPDX-License-Identifier: BSD-2-Clause
// PDO pgsql: every query() is prepared, executed and deallocated. The test counts DEALLOCATE from the server's log.
require __DIR__ . '/truth.php';

$truth = new Truth('postgresql');
$pdo = new PDO('pgsql:');
$pdo->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_SILENT);
$truth->barrier();

for ($i = 0; $i < 15; $i++) {
    $truth->add('SELECT name FROM author WHERE id = 1', rows: count($pdo->query("SELECT name FROM author WHERE id = $i")->fetchAll()));
}
$stmt = $pdo->prepare('SELECT id, title FROM book WHERE author_id = ?');
for ($i = 0; $i < 15; $i++) {
    $stmt->execute([$i]);
    $truth->add('SELECT id, title FROM book WHERE author_id = $1', rows: count($stmt->fetchAll()));
}
$stmt = null;
$pdo->beginTransaction();
$truth->add("INSERT INTO log (id, note) VALUES (1, 'h')", rows: $pdo->exec("INSERT INTO log (id, note) VALUES (1, 'h')"));
$pdo->rollBack();
$pdo->exec('SELECT 1/0');
$truth->add('SELECT 1/0', errors: 1);
$pdo = null;
$truth->write();
