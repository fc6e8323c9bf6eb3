-- A database in a file: made, filled, changed, asked and checked.
PRAGMA journal_mode = WAL;
CREATE TABLE reading (id INTEGER PRIMARY KEY, place TEXT NOT NULL, value REAL, note BLOB);
CREATE INDEX by_place ON reading (place, value);
WITH RECURSIVE n (i, seed) AS (SELECT 1, 42 UNION ALL SELECT i + 1, (seed * 1103515245 + 12345) % 2147483648 FROM n WHERE i < 6000)
INSERT INTO reading SELECT i, 'place ' || (seed / 65536 % 17), seed / 1000.0, substr(hex(seed) || hex(i), 1, 12) FROM n;
SELECT place, count(*), round(sum(value), 3), round(avg(value), 6), min(note), max(note) FROM reading GROUP BY place ORDER BY place;
BEGIN;
UPDATE reading SET value = -value WHERE id % 7 = 0;
DELETE FROM reading WHERE id % 11 = 0;
SAVEPOINT half;
DELETE FROM reading;
ROLLBACK TO half;
COMMIT;
SELECT count(*), round(total(value), 3) FROM reading;
SELECT a.id, b.id FROM reading a JOIN reading b ON a.place = b.place AND b.id = a.id + 17 WHERE a.id < 300 ORDER BY a.id LIMIT 5;
SELECT place, id, rank() OVER (PARTITION BY place ORDER BY value DESC) AS r FROM reading ORDER BY r, place LIMIT 5;
SELECT json_group_array(json_object('id', id, 'value', value)) FROM (SELECT id, value FROM reading ORDER BY value LIMIT 3);
SELECT printf('%.12f %e', sqrt(2), exp(10)), pow(2, 0.5), sin(1), ln(10), upper(hex(zeroblob(4)));
VACUUM;
PRAGMA integrity_check;
