-- The trigger on orders writes a line to audit_log for each change of status.
DO $$ BEGIN ASSERT (SELECT sum(n) = 10184 FROM row_count); END $$;

UPDATE orders SET status = 'cancelled' WHERE status = 'placed';
DO $$ BEGIN ASSERT (SELECT count(*) = 300 FROM orders WHERE status = 'cancelled'); END $$;
DO $$ BEGIN ASSERT (SELECT count(*) = 25 + 200 FROM audit_log); END $$;
