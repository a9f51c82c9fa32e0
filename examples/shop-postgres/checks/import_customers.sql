DO $$ BEGIN ASSERT (SELECT count(*) = 400 AND max(id) = 400 FROM customer); END $$;

INSERT INTO customer (email, name)
SELECT 'import' || i || '@example.org', 'Imported ' || i FROM generate_series(1, 20000) AS i;
DO $$ BEGIN ASSERT (SELECT count(*) = 20400 AND max(id) = 20400 FROM customer); END $$;
