CREATE TEMP TABLE expect (ok CHECK (ok IS TRUE));
INSERT INTO expect SELECT count(*) = 400 AND max(id) = 400 FROM customer;

INSERT INTO customer (email, name)
WITH RECURSIVE line (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM line WHERE i < 20000)
SELECT 'import' || i || '@example.org', 'Imported ' || i FROM line;
INSERT INTO expect SELECT count(*) = 20400 AND max(id) = 20400 FROM customer;
