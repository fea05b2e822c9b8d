<?php
// SPDX-License-Identifier: BSD-2-Clause
// Ground truth of a traced PHP program; see clients/truth.h.
class Truth
{
    private array $rows = [];

    public function __construct(private string $system)
    {
    }

    public function add(string $sql, int $calls = 1, int $errors = 0, int $rows = 0, bool $control = false): void
    {
        $this->rows[$sql] ??= ['sql' => $sql, 'calls' => 0, 'errors' => 0, 'rows' => 0, 'control' => $control];
        $this->rows[$sql]['calls'] += $calls;
        $this->rows[$sql]['errors'] += $errors;
        $this->rows[$sql]['rows'] += $rows;
    }

    public function barrier(): void
    {
        if (getenv('BARRIER')) {
            fwrite(STDOUT, "ready\n");
            fflush(STDOUT);
            fgets(STDIN);
        }
    }

    public function write(): void
    {
        $line = json_encode(['system' => $this->system, 'queries' => array_values($this->rows)]);
        file_put_contents(getenv('GROUND_TRUTH'), $line . "\n", FILE_APPEND);
    }
}
