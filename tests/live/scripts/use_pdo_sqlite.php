<?php
// SPDX-License-Identifier: BSD-2-Clause
// PDO sqlite.
require __DIR__ . '/truth.php';

$truth = new Truth('sqlite');
$pdo = new PDO('sqlite::memory:');
$pdo->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_SILENT);
$pdo->exec('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)');
$truth->barrier();

$pdo->beginTransaction();
$truth->add('BEGIN', control: true);
$stmt = $pdo->prepare('INSERT INTO item VALUES (?, ?)');
for ($i = 0; $i < 20; $i++) {
    $stmt->execute([$i, "n$i"]);
    $truth->add('INSERT INTO item VALUES (?, ?)', rows: 1);
}
$pdo->commit();
$truth->add('COMMIT', control: true);
for ($i = 0; $i < 20; $i++) {
    $truth->add('SELECT name FROM item WHERE id < 3', rows: count($pdo->query("SELECT name FROM item WHERE id < $i")->fetchAll()));
}
$pdo->exec("INSERT INTO item VALUES (1, 'twice')");
$truth->add("INSERT INTO item VALUES (1, 'twice')", errors: 1);
$pdo->query('SELECT * FROM nowhere');
$truth->add('SELECT * FROM nowhere', errors: 1);
$stmt = null;
$pdo = null;
$truth->write();
