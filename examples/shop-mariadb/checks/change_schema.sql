-- A migration can be tried out on the data that it will meet.
CALL expect((SELECT sum(n) = 10184 FROM row_count));

ALTER TABLE customer ADD COLUMN points integer NOT NULL DEFAULT 0;
UPDATE customer SET points = (SELECT count(*) FROM orders WHERE customer_id = customer.id);
ALTER TABLE customer RENAME COLUMN name TO full_name;
CALL expect((SELECT sum(points) = 1000 AND count(full_name) = 400 FROM customer));
