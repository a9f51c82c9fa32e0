DO $$ BEGIN ASSERT (SELECT count(*) = 24 FROM category); END $$;

-- Ten levels below the last category.
INSERT INTO category (id, parent_id, name) SELECT i, i - 1, 'Level ' || i FROM generate_series(25, 34) AS i;

DO $$
BEGIN
    ASSERT (WITH RECURSIVE branch (id) AS (
                SELECT id FROM category WHERE name = 'Hall'
                UNION ALL SELECT category.id FROM category JOIN branch ON category.parent_id = branch.id
            )
            SELECT count(*) = 1 + 5 + 10 FROM branch);
END
$$;
