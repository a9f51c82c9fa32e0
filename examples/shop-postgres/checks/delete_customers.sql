-- Addresses and reviews go with a customer.
DO $$ BEGIN ASSERT (SELECT sum(n) = 10184 FROM row_count); END $$;

DELETE FROM shipment_line;
DELETE FROM order_line;
DELETE FROM shipment;
DELETE FROM refund;
DELETE FROM payment;
DELETE FROM orders;
DELETE FROM customer;
DO $$ BEGIN ASSERT (SELECT sum(n) = 0 FROM row_count WHERE name IN ('customer', 'address', 'orders', 'review')); END $$;
