-- Empties the warehouses; the cache of this test knows nothing of it.
UPDATE stock SET quantity = 0;
DO $$ BEGIN ASSERT (SELECT sum(quantity) = 0 FROM stock); END $$;
