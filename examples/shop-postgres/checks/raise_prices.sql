DO $$ BEGIN ASSERT (SELECT sum(n) = 10184 FROM row_count); END $$;

UPDATE variant SET price_cents = price_cents * 11 / 10;
DO $$ BEGIN ASSERT (SELECT count(*) = 25 + 450 FROM audit_log); END $$;
-- What has been ordered keeps its price.
DO $$ BEGIN ASSERT (SELECT sum(gross_cents) = 23751882 FROM order_total); END $$;
