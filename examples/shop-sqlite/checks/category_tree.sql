CREATE TEMP TABLE expect (ok CHECK (ok IS TRUE));
INSERT INTO expect SELECT count(*) = 24 FROM category;

-- Ten levels below the last category.
INSERT INTO category (id, parent_id, name)
WITH RECURSIVE level (i) AS (SELECT 25 UNION ALL SELECT i + 1 FROM level WHERE i < 34)
SELECT i, i - 1, 'Level ' || i FROM level;

WITH RECURSIVE branch (id) AS (
    SELECT id FROM category WHERE name = 'Hall'
    UNION ALL SELECT category.id FROM category JOIN branch ON category.parent_id = branch.id
)
INSERT INTO expect SELECT count(*) = 1 + 5 + 10 FROM branch;
