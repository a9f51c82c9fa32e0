DO $$ BEGIN ASSERT (SELECT sum(quantity) = 131174 AND min(quantity) = 41 FROM stock); END $$;

DO $$
BEGIN
    UPDATE stock SET quantity = quantity - 100;
    ASSERT false, 'stock went below zero';
EXCEPTION WHEN check_violation THEN
    NULL;
END
$$;

UPDATE stock SET quantity = quantity - 41;
DO $$ BEGIN ASSERT (SELECT min(quantity) = 0 AND sum(quantity) = 131174 - 41 * 1350 FROM stock); END $$;
