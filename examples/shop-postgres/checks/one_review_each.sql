-- A customer reviews a product once. ON CONFLICT skips a row that breaks the rule; a block with an
-- EXCEPTION clause shows a rule that nothing skips, without failing the test.
DO $$ BEGIN ASSERT (SELECT count(*) = 600 FROM review); END $$;

INSERT INTO review (product_id, customer_id, stars)
SELECT product_id, customer_id, 1 FROM review ON CONFLICT DO NOTHING;
DO $$ BEGIN ASSERT (SELECT count(*) = 600 FROM review); END $$;

DO $$
BEGIN
    INSERT INTO review (product_id, customer_id, stars) VALUES (1, 1, 6);
    ASSERT false, 'six stars were taken';
EXCEPTION WHEN check_violation THEN
    NULL;
END
$$;

INSERT INTO review (product_id, customer_id, stars) VALUES (1, 1, 5);
DO $$ BEGIN ASSERT (SELECT count(*) = 601 FROM review); END $$;
