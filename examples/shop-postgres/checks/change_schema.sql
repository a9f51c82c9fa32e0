-- A migration can be tried out on the data that it will meet.
DO $$ BEGIN ASSERT (SELECT sum(n) = 10184 FROM row_count); END $$;

ALTER TABLE customer ADD COLUMN points integer NOT NULL DEFAULT 0;
UPDATE customer SET points = (SELECT count(*) FROM orders WHERE customer_id = customer.id);
ALTER TABLE customer RENAME COLUMN name TO full_name;
DO $$ BEGIN ASSERT (SELECT sum(points) = 1000 AND count(full_name) = 400 FROM customer); END $$;
